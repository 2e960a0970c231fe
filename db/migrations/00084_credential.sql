-- +goose Up

-- E-credentials (医保电子凭证), one for each person that ever activated one.
-- number is of this activation: codes and tokens name it, so that those of an
-- earlier one end with it. password is a keyed hash; locked_ms is until when no
-- password or face is looked at, after too many failures.
CREATE TABLE credential (
    person     TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    number     BIGINT NOT NULL UNIQUE,
    state      INTEGER NOT NULL,
    password   BLOB NOT NULL,
    failures   INTEGER NOT NULL,
    locked_ms  BIGINT NOT NULL,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    why        TEXT NOT NULL
);

-- Phones that may show a person's code (设备).
CREATE TABLE credential_device (
    person   TEXT NOT NULL REFERENCES person (id),
    device   TEXT NOT NULL,
    name     TEXT NOT NULL,
    bound_at TEXT NOT NULL,
    PRIMARY KEY (person, device)
);

-- Codes that were accepted, until their life is over anyway.
CREATE TABLE credential_used (
    code     BLOB NOT NULL PRIMARY KEY,
    until_ms BIGINT NOT NULL
);
CREATE INDEX credential_used_until ON credential_used (until_ms);

-- Tokens that providers got for codes (身份核验令牌), by digest. number is the
-- bearer's credential, 0 a voucher's; until_ms 0 is open, provider '' any: both
-- are for made-up data only.
CREATE TABLE credential_token (
    digest   BLOB NOT NULL PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES person (id),
    number   BIGINT NOT NULL,
    provider TEXT NOT NULL,
    business TEXT NOT NULL,
    at       TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE INDEX credential_token_until ON credential_token (until_ms);

-- Family members under a phone (亲情账户). to_day 0 is open.
CREATE TABLE credential_family (
    guardian  TEXT NOT NULL REFERENCES person (id),
    dependant TEXT NOT NULL REFERENCES person (id),
    relation  TEXT NOT NULL,
    from_day  INTEGER NOT NULL,
    to_day    INTEGER NOT NULL,
    PRIMARY KEY (guardian, dependant)
);
CREATE INDEX credential_family_dependant ON credential_family (dependant);

-- Social security cards (社会保障卡) that are not in order, and why.
CREATE TABLE card_stop (
    person     TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    why        TEXT NOT NULL
);

-- Codes sent to phones (短信验证码), the last of each phone and purpose.
CREATE TABLE sms_code (
    phone    BLOB NOT NULL,
    purpose  TEXT NOT NULL,
    code     BLOB NOT NULL,
    sent_ms  BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    tries    INTEGER NOT NULL,
    day      INTEGER NOT NULL,
    sent     INTEGER NOT NULL, -- on that day
    PRIMARY KEY (phone, purpose)
);

-- Messages to phones, sealed.
CREATE TABLE message (
    id           BIGINT NOT NULL PRIMARY KEY,
    phone_digest BLOB NOT NULL,
    body         BLOB NOT NULL,
    made_ms      BIGINT NOT NULL,
    sent_ms      BIGINT NOT NULL,
    tries        INTEGER NOT NULL
);
CREATE INDEX message_phone ON message (phone_digest, id);
CREATE INDEX message_waiting ON message (id) WHERE sent_ms = 0;
