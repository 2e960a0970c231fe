-- +goose Up

-- The store itself refuses an entry whose two sides differ. The trigger steps
-- aside once, for the entries made before.
DROP TRIGGER entry_fixed_update;
ALTER TABLE entry ADD COLUMN debit BIGINT NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN credit BIGINT NOT NULL DEFAULT 0 CHECK (credit = debit);
UPDATE entry SET
    debit = (SELECT COALESCE(SUM(amount), 0) FROM posting WHERE posting.entry = entry.id AND amount > 0),
    credit = (SELECT COALESCE(-SUM(amount), 0) FROM posting WHERE posting.entry = entry.id AND amount < 0);
-- +goose StatementBegin
CREATE TRIGGER entry_fixed_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
-- +goose StatementEnd

CREATE INDEX entry_ref ON entry (ref);

-- Phone numbers are sealed like citizen IDs; one number may be several people's.
ALTER TABLE person ADD COLUMN phone BLOB;
ALTER TABLE person ADD COLUMN phone_digest BLOB;
CREATE INDEX person_phone ON person (phone_digest);

-- Who ordered a fee.
ALTER TABLE fee ADD COLUMN department TEXT NOT NULL DEFAULT '';
ALTER TABLE fee ADD COLUMN doctor TEXT NOT NULL DEFAULT '';

-- A settlement is shown as it was made, whatever became of its package since:
-- what the answer does not hold is kept beside it. ratio is in 10^-8.
ALTER TABLE settlement ADD COLUMN ratio BIGINT NOT NULL DEFAULT 0;
ALTER TABLE settlement ADD COLUMN hospital BIGINT NOT NULL DEFAULT 0;
ALTER TABLE settlement ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE settlement ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';
CREATE INDEX settlement_provider ON settlement (provider, day);
CREATE INDEX settlement_visit ON settlement (visit);

-- What each stage paid; fund '' is an account.
CREATE TABLE settlement_stage (
    settlement TEXT NOT NULL REFERENCES settlement (id),
    n          INTEGER NOT NULL,
    stage      TEXT NOT NULL,
    title      TEXT NOT NULL,
    fund       TEXT NOT NULL,
    fund_title TEXT NOT NULL,
    category   INTEGER NOT NULL,
    code       TEXT NOT NULL,
    base       BIGINT NOT NULL,
    deductible BIGINT NOT NULL,
    payable    BIGINT NOT NULL,
    paid       BIGINT NOT NULL,
    PRIMARY KEY (settlement, n)
);

-- How each line divided; serial is the fee's, with what was taken back of it.
CREATE TABLE settlement_line (
    settlement    TEXT NOT NULL REFERENCES settlement (id),
    n             INTEGER NOT NULL,
    serial        TEXT NOT NULL,
    full_own_pay  BIGINT NOT NULL,
    over_ceiling  BIGINT NOT NULL,
    first_own_pay BIGINT NOT NULL,
    in_scope      BIGINT NOT NULL,
    PRIMARY KEY (settlement, n)
);
