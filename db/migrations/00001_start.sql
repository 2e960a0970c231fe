-- +goose Up

-- Replies already given, so that a repeated request is answered as the first was.
CREATE TABLE reply (
    scope  TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (scope, key)
);

-- Append-only record of who did what, each row chained to the one before.
CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash    BLOB NOT NULL
);

-- People (参保人). The citizen ID is sealed; it is found by its keyed digest.
CREATE TABLE person (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    citizen_id   BLOB NOT NULL,
    id_digest    BLOB NOT NULL UNIQUE,
    card_digest  BLOB NOT NULL UNIQUE,
    token        TEXT NOT NULL UNIQUE,
    female       INTEGER NOT NULL,
    birth        INTEGER NOT NULL,
    region       TEXT NOT NULL,
    employer     TEXT NOT NULL
);

-- Insured status as a timeline (参保状态). Days are yyyymmdd; to_day 0 is open.
CREATE TABLE insurance (
    person        TEXT NOT NULL REFERENCES person (id),
    scheme        INTEGER NOT NULL,
    from_day      INTEGER NOT NULL,
    to_day        INTEGER NOT NULL,
    retired       INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    benefits_from INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    PRIMARY KEY (person, scheme, from_day)
);

CREATE TABLE person_class (
    person    TEXT NOT NULL REFERENCES person (id),
    class     TEXT NOT NULL,
    from_day  INTEGER NOT NULL,
    to_day    INTEGER NOT NULL,
    authority TEXT NOT NULL,
    PRIMARY KEY (person, class, from_day)
);

CREATE TABLE filing (
    person   TEXT NOT NULL REFERENCES person (id),
    region   TEXT NOT NULL,
    kind     INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    PRIMARY KEY (person, region, from_day)
);

CREATE TABLE special_disease (
    person   TEXT NOT NULL REFERENCES person (id),
    code     TEXT NOT NULL,
    name     TEXT NOT NULL,
    special  INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    PRIMARY KEY (person, code, from_day)
);

CREATE TABLE provider (
    code       TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    region     TEXT NOT NULL,
    level      INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    designated INTEGER NOT NULL,
    private    INTEGER NOT NULL
);

-- Catalogue entries (目录); region '' holds everywhere, first_pay -1 is unstated,
-- unit_ceiling -1 is none (fen a unit).
CREATE TABLE item (
    code         TEXT NOT NULL,
    region       TEXT NOT NULL,
    from_day     INTEGER NOT NULL,
    to_day       INTEGER NOT NULL,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    class        INTEGER NOT NULL,
    first_pay    BIGINT NOT NULL,
    unit_ceiling BIGINT NOT NULL,
    charge       TEXT NOT NULL,
    PRIMARY KEY (code, region, from_day)
);

-- Double-entry ledger. Amounts are fen; the postings of an entry sum to zero.
CREATE TABLE account (
    id      TEXT PRIMARY KEY,
    balance BIGINT NOT NULL
);
CREATE TABLE entry (
    id   BIGINT PRIMARY KEY,
    at   TEXT NOT NULL,
    kind TEXT NOT NULL,
    ref  TEXT NOT NULL
);
CREATE TABLE posting (
    entry   BIGINT NOT NULL REFERENCES entry (id),
    n       INTEGER NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    amount  BIGINT NOT NULL,
    PRIMARY KEY (entry, n)
);
CREATE INDEX posting_account ON posting (account, entry);

-- +goose StatementBegin
CREATE TRIGGER entry_fixed_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER entry_fixed_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER posting_fixed_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'postings are never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER posting_fixed_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_fixed_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_fixed_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;
-- +goose StatementEnd

CREATE TABLE visit (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES person (id),
    provider   TEXT NOT NULL REFERENCES provider (code),
    scheme     INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    number     TEXT NOT NULL,
    begun      TEXT NOT NULL,
    disease    TEXT NOT NULL,
    disease_name TEXT NOT NULL,
    cause      INTEGER NOT NULL,
    code       TEXT NOT NULL,
    department TEXT NOT NULL,
    closed     INTEGER NOT NULL
);
CREATE INDEX visit_person ON visit (person, provider, closed);

CREATE TABLE diagnosis (
    visit TEXT NOT NULL REFERENCES visit (id),
    n     INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    code  TEXT NOT NULL,
    name  TEXT NOT NULL,
    main  INTEGER NOT NULL,
    PRIMARY KEY (visit, n)
);

-- Fee lines (费用明细). quantity has 4 decimals, price 6.
CREATE TABLE fee (
    visit         TEXT NOT NULL REFERENCES visit (id),
    serial        TEXT NOT NULL,
    n             INTEGER NOT NULL,
    batch         TEXT NOT NULL,
    original      TEXT NOT NULL,
    item          TEXT NOT NULL,
    provider_item TEXT NOT NULL,
    name          TEXT NOT NULL,
    day           INTEGER NOT NULL,
    quantity      BIGINT NOT NULL,
    price         BIGINT NOT NULL,
    amount        BIGINT NOT NULL,
    class         INTEGER NOT NULL,
    first_pay     BIGINT NOT NULL,
    unit_ceiling  BIGINT NOT NULL,
    settlement    TEXT NOT NULL,
    PRIMARY KEY (visit, serial)
);

-- Settlements (结算). result is the calculator contract's answer, kase its
-- question: together they let anyone compute the settlement again.
CREATE TABLE settlement (
    id          TEXT PRIMARY KEY,
    visit       TEXT NOT NULL REFERENCES visit (id),
    person      TEXT NOT NULL REFERENCES person (id),
    provider    TEXT NOT NULL REFERENCES provider (code),
    n           BIGINT NOT NULL UNIQUE,
    at          TEXT NOT NULL,
    region      TEXT NOT NULL,
    scheme      INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    year_start  INTEGER NOT NULL,
    package     TEXT NOT NULL,
    refused     INTEGER NOT NULL,
    total       BIGINT NOT NULL,
    fund        BIGINT NOT NULL,
    account     BIGINT NOT NULL,
    cash        BIGINT NOT NULL,
    invoice     TEXT NOT NULL,
    kase        TEXT NOT NULL,
    result      TEXT NOT NULL
);
CREATE INDEX settlement_person ON settlement (person, year_start, kind);

-- A person's sums of the benefit year (年度累计), by accumulator.
CREATE TABLE year_sum (
    person     TEXT NOT NULL REFERENCES person (id),
    region     TEXT NOT NULL,
    scheme     INTEGER NOT NULL,
    year_start INTEGER NOT NULL,
    name       TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    PRIMARY KEY (person, region, scheme, year_start, name)
);

-- Sign-ins of operators (签到).
CREATE TABLE sign_in (
    sign_no  TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    operator TEXT NOT NULL,
    at       TEXT NOT NULL,
    day      INTEGER NOT NULL,
    ended    INTEGER NOT NULL
);
CREATE INDEX sign_in_day ON sign_in (provider, operator, day);
