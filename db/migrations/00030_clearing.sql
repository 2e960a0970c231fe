-- +goose Up

-- Reconciliation and clearing choose settlements by when they were made.
CREATE INDEX settlement_provider_at ON settlement (provider, at);

-- Clearing applications (清算申请) of a provider for a month, yyyymm. region is
-- the care region, state the number of the national dictionary of clearing
-- states. Times are those of China, '' for what has not happened.
CREATE TABLE clearing (
    id           TEXT PRIMARY KEY,
    n            BIGINT NOT NULL UNIQUE,
    provider     TEXT NOT NULL REFERENCES provider (code),
    region       TEXT NOT NULL,
    month        INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    filed_at     TEXT NOT NULL,
    filed_by     TEXT NOT NULL,
    approved_at  TEXT NOT NULL DEFAULT '',
    approved_by  TEXT NOT NULL DEFAULT '',
    paid_at      TEXT NOT NULL DEFAULT '',
    paid_by      TEXT NOT NULL DEFAULT '',
    withdrawn_at TEXT NOT NULL DEFAULT '',
    withdrawn_by TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL DEFAULT ''
);
CREATE INDEX clearing_month ON clearing (month, provider);

-- What an application asks for, by kind of care: nothing is applied for twice.
-- A withdrawn application gives its kinds free.
CREATE TABLE clearing_kind (
    provider TEXT NOT NULL,
    month    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    clearing TEXT NOT NULL REFERENCES clearing (id),
    PRIMARY KEY (provider, month, kind)
);

-- The sums it was filed with: region is the insured region.
CREATE TABLE clearing_part (
    clearing TEXT NOT NULL REFERENCES clearing (id),
    region   TEXT NOT NULL,
    scheme   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    visits   INTEGER NOT NULL,
    total    BIGINT NOT NULL,
    in_scope BIGINT NOT NULL,
    fund     BIGINT NOT NULL,
    account  BIGINT NOT NULL,
    cash     BIGINT NOT NULL,
    hospital BIGINT NOT NULL,
    PRIMARY KEY (clearing, region, scheme, kind)
);
CREATE TABLE clearing_fund (
    clearing TEXT NOT NULL REFERENCES clearing (id),
    region   TEXT NOT NULL,
    scheme   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    fund     TEXT NOT NULL,
    title    TEXT NOT NULL,
    amount   BIGINT NOT NULL,
    PRIMARY KEY (clearing, region, scheme, kind, fund)
);
