-- +goose Up

-- What was proposed of a provider's agreement (定点协议) and decided by another.
-- from_day is the first day of it, to_day the last, 0 if it does not end; level is
-- that of a change of level, -1 of others; facts is what a new provider is, as JSON.
CREATE TABLE agreement_proposal (
    id         TEXT NOT NULL PRIMARY KEY,
    provider   TEXT NOT NULL,
    region     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    from_day   INTEGER NOT NULL,
    to_day     INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    facts      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    state      TEXT NOT NULL,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    answer     TEXT NOT NULL
);
CREATE INDEX agreement_proposal_provider ON agreement_proposal (provider, id);
CREATE INDEX agreement_proposal_state ON agreement_proposal (state, region);

-- What changes of a provider on a day, in the order of days and of n. Of state '',
-- until -1 and level -1 nothing changes; until 0 is without end. Before the first
-- the register's own row says how the provider stands.
CREATE TABLE agreement_change (
    provider TEXT NOT NULL REFERENCES provider (code),
    from_day INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    state    TEXT NOT NULL,
    until    INTEGER NOT NULL,
    level    INTEGER NOT NULL,
    proposal TEXT NOT NULL REFERENCES agreement_proposal (id),
    PRIMARY KEY (provider, n)
);
-- append-only agreement_change: what was decided of an agreement is never changed

-- What of an item is paid under which condition (限制使用), as it holds over its days.
ALTER TABLE item ADD COLUMN restriction TEXT NOT NULL DEFAULT '';

-- What was proposed of the catalogue of a region, '' for all, and decided by
-- another (目录调整). first_day is the first day of its rows.
CREATE TABLE catalogue_revision (
    id         TEXT NOT NULL PRIMARY KEY,
    region     TEXT NOT NULL,
    n          INTEGER NOT NULL,
    first_day  INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    state      TEXT NOT NULL,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    answer     TEXT NOT NULL
);
CREATE INDEX catalogue_revision_state ON catalogue_revision (state, id);

-- Its rows. act is set or end; first_pay -1 is unstated, unit_ceiling -1 is none.
CREATE TABLE catalogue_revision_row (
    revision     TEXT NOT NULL REFERENCES catalogue_revision (id),
    n            INTEGER NOT NULL,
    act          TEXT NOT NULL,
    code         TEXT NOT NULL,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    class        INTEGER NOT NULL,
    first_pay    BIGINT NOT NULL,
    unit_ceiling BIGINT NOT NULL,
    charge       TEXT NOT NULL,
    restriction  TEXT NOT NULL,
    from_day     INTEGER NOT NULL,
    to_day       INTEGER NOT NULL,
    PRIMARY KEY (revision, n)
);
-- append-only catalogue_revision_row: what was proposed of the catalogue is never changed
