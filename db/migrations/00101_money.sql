-- +goose Up

-- Sums over a region's settlements of a period are read from this index alone: the
-- rows themselves hold whole documents. It grows at its end.
CREATE INDEX settlement_spent ON settlement (region, at, scheme, kind, provider, visit, reverses, total, fund, account, cash);

-- Months that one asked to close (结账申请) and another has not confirmed yet.
CREATE TABLE month_closing (
    last_day INTEGER NOT NULL PRIMARY KEY,
    asked_at TEXT NOT NULL,
    asked_by TEXT NOT NULL
);
ALTER TABLE month_closed ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';

-- What providers reconciled (对账): the totals (总额, details 0) or row by row
-- (明细, details 1) of a period, how many figures or rows differed, and the file
-- that says which. schemes and kinds are the scope in words, '' all.
CREATE TABLE reconciled (
    provider TEXT NOT NULL,
    n        BIGINT NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    details  INTEGER NOT NULL,
    scope    TEXT NOT NULL,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    stated   INTEGER NOT NULL,
    differ   INTEGER NOT NULL,
    says     TEXT NOT NULL,
    file     TEXT NOT NULL,
    PRIMARY KEY (provider, n)
) WITHOUT ROWID;
CREATE INDEX reconciled_period ON reconciled (from_day, to_day);
