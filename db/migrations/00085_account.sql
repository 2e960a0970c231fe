-- +goose Up

-- Whom the owner of a personal account lets use it (家庭共济授权). yearly and
-- per_use are limits in fen, 0 for none; to_day 0 is open; ended_at '' holds.
CREATE TABLE family_aid (
    id          BIGINT NOT NULL PRIMARY KEY,
    owner       TEXT NOT NULL REFERENCES person (id),
    beneficiary TEXT NOT NULL REFERENCES person (id),
    relation    TEXT NOT NULL,
    yearly      BIGINT NOT NULL,
    per_use     BIGINT NOT NULL,
    from_day    INTEGER NOT NULL,
    to_day      INTEGER NOT NULL,
    granted_at  TEXT NOT NULL,
    ended_at    TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX family_aid_pair ON family_aid (owner, beneficiary) WHERE ended_at = '';
CREATE INDEX family_aid_beneficiary ON family_aid (beneficiary) WHERE ended_at = '';

-- What settlements took from the accounts of family members, in fen; a reversal
-- has the opposite.
CREATE TABLE family_aid_use (
    settlement  TEXT NOT NULL,
    owner       TEXT NOT NULL,
    beneficiary TEXT NOT NULL,
    day         INTEGER NOT NULL,
    amount      BIGINT NOT NULL,
    PRIMARY KEY (settlement, owner)
);
CREATE INDEX family_aid_use_pair ON family_aid_use (owner, beneficiary, day);

-- Personal accounts that were closed (个人账户清退): why, how much was paid out
-- then, and of a transfer to which region.
CREATE TABLE account_closed (
    person TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    day    INTEGER NOT NULL,
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    reason TEXT NOT NULL,
    paid   BIGINT NOT NULL,
    parts  TEXT NOT NULL,
    place  TEXT NOT NULL
);
