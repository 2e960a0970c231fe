-- +goose Up

-- Rows that are written together with what they belong to, or many a second,
-- name it without REFERENCES: the database would look every one of them up, and
-- hold the row of a busy hospital. `anji audit verify` finds those astray.

-- Replies already given, so that a repeated request is answered as the first was.
CREATE TABLE reply (
    scope  TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (scope, key)
);
-- long rows: reply

-- Append-only record of who did what. Each chain's records are linked by their
-- digests; its head says how many there are and how the last ends.
CREATE TABLE audit (
    chain   TEXT NOT NULL,
    seq     BIGINT NOT NULL,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    hash    BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
-- append-only audit: audit records are never changed
CREATE TABLE audit_head (
    chain TEXT NOT NULL PRIMARY KEY,
    seq   BIGINT NOT NULL,
    hash  BLOB NOT NULL
) WITHOUT ROWID;
-- often changed: audit_head

-- People (参保人). Citizen ID and phone are sealed, and found by their keyed
-- digests; one phone may be several people's.
CREATE TABLE person (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    citizen_id   BLOB NOT NULL,
    id_digest    BLOB NOT NULL UNIQUE,
    card_digest  BLOB NOT NULL UNIQUE,
    female       INTEGER NOT NULL,
    birth        INTEGER NOT NULL,
    region       TEXT NOT NULL,
    employer     TEXT NOT NULL,
    phone        BLOB,
    phone_digest BLOB
);
CREATE INDEX person_phone ON person (phone_digest);

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

-- Double-entry ledger. Amounts are fen; the postings of an entry sum to zero,
-- so that its two sides are equal. Balances are sums of postings: account keeps
-- those of personal accounts, month_end those of all others at a month's end.
-- Days are those of China.
CREATE TABLE account (
    id      TEXT NOT NULL PRIMARY KEY,
    balance BIGINT NOT NULL
) WITHOUT ROWID;
-- often changed: account
CREATE TABLE entry (
    id     BIGINT NOT NULL PRIMARY KEY,
    at     TEXT NOT NULL,
    day    INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    ref    TEXT NOT NULL,
    debit  BIGINT NOT NULL,
    credit BIGINT NOT NULL CHECK (credit = debit)
) WITHOUT ROWID;
CREATE INDEX entry_ref ON entry (ref);
CREATE TABLE posting (
    entry   BIGINT NOT NULL,
    n       INTEGER NOT NULL,
    account TEXT NOT NULL,
    day     INTEGER NOT NULL,
    amount  BIGINT NOT NULL,
    PRIMARY KEY (entry, n)
) WITHOUT ROWID;
CREATE INDEX posting_account ON posting (account, day, entry, amount);
CREATE TABLE month_closed (
    last_day INTEGER NOT NULL PRIMARY KEY,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL
);
CREATE TABLE month_end (
    last_day INTEGER NOT NULL REFERENCES month_closed (last_day),
    account  TEXT NOT NULL,
    balance  BIGINT NOT NULL,
    PRIMARY KEY (account, last_day)
) WITHOUT ROWID;
-- append-only month_end: a closed month is never changed
-- append-only entry: ledger entries are never changed
-- append-only posting: postings are never changed

CREATE TABLE visit (
    id         TEXT NOT NULL PRIMARY KEY,
    person     TEXT NOT NULL,
    provider   TEXT NOT NULL,
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
    visit TEXT NOT NULL,
    n     INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    code  TEXT NOT NULL,
    name  TEXT NOT NULL,
    main  INTEGER NOT NULL,
    PRIMARY KEY (visit, n)
);

-- Fee lines (费用明细), numbered n in their visit. quantity has 4 decimals,
-- price 6. Which are settled is in settled, so that settling a visit writes one
-- row and not all of its fees.
CREATE TABLE fee (
    visit         TEXT NOT NULL,
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
    department    TEXT NOT NULL,
    doctor        TEXT NOT NULL,
    PRIMARY KEY (visit, serial)
) WITHOUT ROWID;

-- The fees of a visit, from the number first to the number last, that a
-- settlement that stands settled.
CREATE TABLE settled (
    visit      TEXT NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    settlement TEXT NOT NULL,
    PRIMARY KEY (visit, first)
) WITHOUT ROWID;

-- Settlements (结算), as they were made, whatever became of their packages
-- since. document holds the calculator contract's question and answer, the
-- explanation, what each stage paid and how each fee divided, as JSON packed by
-- S2; funds is what each fund pays, as [[fund, title, fen], ...]; ratio is in
-- 10^-8. n puts a person's settlements in order.
CREATE TABLE settlement (
    id          TEXT NOT NULL PRIMARY KEY,
    visit       TEXT NOT NULL,
    person      TEXT NOT NULL,
    provider    TEXT NOT NULL,
    n           BIGINT NOT NULL,
    at          TEXT NOT NULL,
    region      TEXT NOT NULL,
    scheme      INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    year_start  INTEGER NOT NULL,
    package     TEXT NOT NULL,
    refused     INTEGER NOT NULL,
    total       BIGINT NOT NULL,
    in_scope    BIGINT NOT NULL,
    fund        BIGINT NOT NULL,
    account     BIGINT NOT NULL,
    cash        BIGINT NOT NULL,
    hospital    BIGINT NOT NULL,
    ratio       BIGINT NOT NULL,
    invoice     TEXT NOT NULL,
    note        TEXT NOT NULL,
    funds       TEXT NOT NULL,
    document    BLOB NOT NULL
);
CREATE INDEX settlement_visit ON settlement (visit);
-- long rows: settlement

-- A person's sums of a benefit year (年度累计), as {accumulator: fen, ...}, and
-- among them how many visits of a kind were settled in it (visits:KIND).
CREATE TABLE year_sum (
    person     TEXT NOT NULL,
    region     TEXT NOT NULL,
    scheme     INTEGER NOT NULL,
    year_start INTEGER NOT NULL,
    amounts    TEXT NOT NULL,
    PRIMARY KEY (person, region, scheme, year_start)
) WITHOUT ROWID;
-- often changed: year_sum

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
