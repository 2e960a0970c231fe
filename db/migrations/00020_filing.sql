-- +goose Up

-- Applications for a filing (备案申请): who declared it, for whom, for what and
-- for which days. What it is for in full is sealed: it holds telephone numbers
-- and findings. subject tells two applications of a kind apart. provider is who
-- declared it, '' where the person applied; entered is who wrote it down, and due
-- the last day on which to decide (0: no term).
CREATE TABLE filing_application (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    person   TEXT NOT NULL REFERENCES person (id),
    region   TEXT NOT NULL,
    scheme   INTEGER NOT NULL,
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    state    TEXT NOT NULL,
    details  BLOB NOT NULL,
    channel  TEXT NOT NULL DEFAULT '',
    entered  TEXT NOT NULL DEFAULT '',
    due      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX filing_application_state ON filing_application (state, due);
CREATE INDEX filing_application_person ON filing_application (person, kind, from_day);

-- The states an application went through.
CREATE TABLE filing_step (
    application TEXT NOT NULL REFERENCES filing_application (id),
    n           INTEGER NOT NULL,
    state       TEXT NOT NULL,
    at          TEXT NOT NULL,
    actor       TEXT NOT NULL,
    note        TEXT NOT NULL,
    PRIMARY KEY (application, n)
);

-- Providers that people chose for one purpose (人员定点).
CREATE TABLE designation (
    person   TEXT NOT NULL REFERENCES person (id),
    purpose  TEXT NOT NULL,
    rank     INTEGER NOT NULL,
    provider TEXT NOT NULL REFERENCES provider (code),
    scheme   INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    note     TEXT NOT NULL,
    PRIMARY KEY (person, purpose, provider, from_day)
);
