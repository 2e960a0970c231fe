-- +goose Up

-- Care that a person paid for and claims afterwards (手工报销) is settled like any
-- other; claim names who is owed what the funds pay. emergency: it was an
-- emergency away from home, which counts as filed.
ALTER TABLE visit ADD COLUMN claim TEXT NOT NULL DEFAULT '';
ALTER TABLE visit ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;
ALTER TABLE settlement ADD COLUMN claim TEXT NOT NULL DEFAULT '';
CREATE INDEX settlement_invoice ON settlement (invoice) WHERE invoice <> '';

-- Claims (手工报销申请). Days are yyyymmdd, amounts fen. details is sealed JSON:
-- the bank account, the telephone number and what is said in words. due is the
-- last day on which to do what the state waits for, 0 for none. returned is the
-- state that a returned claim goes back to, before that from which an appeal was
-- made; proposal is what the first reviewer would do. What is owed by a claim is
-- the balance of its account in the ledger.
CREATE TABLE claim (
    id        TEXT NOT NULL PRIMARY KEY,
    person    TEXT NOT NULL REFERENCES person (id),
    region    TEXT NOT NULL,
    reason    TEXT NOT NULL,
    kind      INTEGER NOT NULL,
    state     TEXT NOT NULL,
    returned  TEXT NOT NULL DEFAULT '',
    before    TEXT NOT NULL DEFAULT '',
    proposal  TEXT NOT NULL DEFAULT '',
    provider  TEXT NOT NULL DEFAULT '',
    from_day  INTEGER NOT NULL,
    to_day    INTEGER NOT NULL,
    total     BIGINT NOT NULL,
    channel   TEXT NOT NULL,
    entered   TEXT NOT NULL,
    accepted  TEXT NOT NULL DEFAULT '',
    reviewed  TEXT NOT NULL DEFAULT '',
    decided   INTEGER NOT NULL DEFAULT 0,
    due       INTEGER NOT NULL DEFAULT 0,
    made      TEXT NOT NULL,
    details   BLOB NOT NULL
);
-- often changed: claim
CREATE INDEX claim_person ON claim (person, made);
CREATE INDEX claim_state ON claim (region, state, due);

-- Invoices of claims (票据). key tells one from all others, once for all claims
-- that are not over without money; original is the number of a lost one that this
-- one was issued for.
CREATE TABLE claim_invoice (
    claim    TEXT NOT NULL,
    n        INTEGER NOT NULL,
    code     TEXT NOT NULL,
    number   TEXT NOT NULL,
    original TEXT NOT NULL,
    day      INTEGER NOT NULL,
    total    BIGINT NOT NULL,
    PRIMARY KEY (claim, n)
);
CREATE TABLE claim_invoice_key (
    key   TEXT NOT NULL PRIMARY KEY,
    claim TEXT NOT NULL
);
CREATE INDEX claim_invoice_key_claim ON claim_invoice_key (claim);

-- Lines of the invoices as officers wrote them down. refused is why one is not
-- paid, '' if it is as the catalogue says.
CREATE TABLE claim_line (
    claim    TEXT NOT NULL,
    invoice  INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    item     TEXT NOT NULL,
    name     TEXT NOT NULL,
    day      INTEGER NOT NULL,
    quantity BIGINT NOT NULL,
    price    BIGINT NOT NULL,
    amount   BIGINT NOT NULL,
    refused  TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (claim, invoice, n)
);

-- The states a claim went through.
CREATE TABLE claim_step (
    claim TEXT NOT NULL,
    n     INTEGER NOT NULL,
    state TEXT NOT NULL,
    at    TEXT NOT NULL,
    actor TEXT NOT NULL,
    note  TEXT NOT NULL,
    PRIMARY KEY (claim, n)
);

-- Payments to people (报销款支付), handed to a bank in files. account is sealed: as
-- it was when the payment was made. A claim has one payment at a time that is not
-- over (state 'open'): nothing is paid twice.
CREATE TABLE payout_batch (
    id          TEXT NOT NULL PRIMARY KEY,
    region      TEXT NOT NULL,
    state       TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    made_by     TEXT NOT NULL,
    released_at TEXT NOT NULL DEFAULT '',
    released_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE payout (
    batch   TEXT NOT NULL,
    n       INTEGER NOT NULL,
    claim   TEXT NOT NULL,
    amount  BIGINT NOT NULL,
    account BLOB NOT NULL,
    state   TEXT NOT NULL,
    reason  TEXT NOT NULL DEFAULT '',
    at      TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (batch, n)
);
CREATE INDEX payout_claim ON payout (claim);
CREATE UNIQUE INDEX payout_open ON payout (claim) WHERE state = 'open';
