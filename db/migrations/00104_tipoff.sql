-- +goose Up

-- Tip-offs of fraud (举报). code is the keyed digest of the secret by which who
-- told of it asks how it stands; text and reporter are sealed, reporter is empty
-- where it was told without a name. happened and due are days as yyyymmdd, 0 for
-- none. recovered and reward are set when it is closed as founded; reward_known
-- is 0 where the package does not say what it earns.
CREATE TABLE tipoff (
    id           TEXT NOT NULL PRIMARY KEY,
    region       TEXT NOT NULL,
    channel      TEXT NOT NULL,
    behaviour    TEXT NOT NULL,
    about        TEXT NOT NULL,
    provider     TEXT NOT NULL,
    subject      TEXT NOT NULL,
    happened     INTEGER NOT NULL,
    text         BLOB NOT NULL,
    reporter     BLOB NOT NULL,
    code         BLOB NOT NULL,
    state        TEXT NOT NULL,
    entered      TEXT NOT NULL,
    accepted     TEXT NOT NULL,
    due          INTEGER NOT NULL,
    at           TEXT NOT NULL,
    recovered    BIGINT NOT NULL,
    reward       BIGINT NOT NULL,
    reward_known INTEGER NOT NULL
);
CREATE UNIQUE INDEX tipoff_code ON tipoff (code);
CREATE INDEX tipoff_state ON tipoff (state, due);

-- The states it went through. note is sealed: it may name people. told says that
-- the note is for who told of it too.
CREATE TABLE tipoff_step (
    tipoff TEXT NOT NULL REFERENCES tipoff (id),
    n      INTEGER NOT NULL,
    state  TEXT NOT NULL,
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    note   BLOB NOT NULL,
    told   INTEGER NOT NULL,
    PRIMARY KEY (tipoff, n)
);
-- append-only tipoff_step: what was done about a tip-off is kept

-- Notices that stand on all pages between two moments (维护公告).
CREATE TABLE notice (
    id       TEXT NOT NULL PRIMARY KEY,
    text     TEXT NOT NULL,
    from_ms  BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    made_by  TEXT NOT NULL,
    ended_by TEXT NOT NULL
);
CREATE INDEX notice_until ON notice (until_ms);

-- Where a provider stands: in 10^-6 degrees (CGCS2000), empty where it is not known;
-- and whether people from elsewhere are settled there at once (跨省直接结算).
ALTER TABLE provider ADD COLUMN district TEXT NOT NULL DEFAULT '';
ALTER TABLE provider ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE provider ADD COLUMN lat BIGINT;
ALTER TABLE provider ADD COLUMN lon BIGINT;
ALTER TABLE provider ADD COLUMN away INTEGER;

-- What providers charged for an item when it was last settled (最近结算价), price in
-- 10^-6 yuan, and in how many settlements it stood; and up to which settlement they
-- were counted. It holds nothing of anybody.
CREATE TABLE item_price (
    item     TEXT NOT NULL,
    provider TEXT NOT NULL,
    n        BIGINT NOT NULL,
    day      INTEGER NOT NULL,
    price    BIGINT NOT NULL,
    PRIMARY KEY (item, provider)
) WITHOUT ROWID;
CREATE TABLE item_price_upto (
    one        INTEGER NOT NULL PRIMARY KEY,
    settlement TEXT NOT NULL
);
