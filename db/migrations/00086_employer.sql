-- +goose Up

-- Employers (用人单位), by their unified social credit code.
CREATE TABLE employer (
    code   TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL,
    region TEXT NOT NULL,
    at     TEXT NOT NULL
);

-- Who works where (职工名册). wage is the declared monthly wage in fen; to_day 0
-- is open: a person is insured by one employer at a time.
CREATE TABLE job (
    person   TEXT NOT NULL REFERENCES person (id),
    employer TEXT NOT NULL REFERENCES employer (code),
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    wage     BIGINT NOT NULL,
    PRIMARY KEY (person, from_day)
);
CREATE UNIQUE INDEX job_one ON job (person) WHERE to_day = 0;
CREATE INDEX job_employer ON job (employer, person);

-- Monthly declarations (缴费申报). A draft keeps its bad rows until all are good;
-- n is the order in which they were made; month is the first day.
CREATE TABLE declaration (
    id       TEXT NOT NULL PRIMARY KEY,
    n        BIGINT NOT NULL,
    employer TEXT NOT NULL REFERENCES employer (code),
    region   TEXT NOT NULL,
    month    INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    due_day  INTEGER NOT NULL,
    unit     BIGINT NOT NULL,
    personal BIGINT NOT NULL,
    late     BIGINT NOT NULL,
    package  TEXT NOT NULL,
    made_at  TEXT NOT NULL,
    made_by  TEXT NOT NULL,
    paid_at  TEXT NOT NULL DEFAULT '',
    why      TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX declaration_draft ON declaration (employer, month) WHERE state = 0;
CREATE INDEX declaration_employer ON declaration (employer, month);
CREATE INDEX declaration_due ON declaration (region, due_day) WHERE state = 1;

-- The rows of a declaration. raw is what was declared, sealed; fault is what is
-- wrong with it, in Chinese, '' nothing. person is '' until it is confirmed. live
-- is 1 while the declaration is confirmed or paid: of a month a person is
-- declared once.
CREATE TABLE declared (
    declaration TEXT NOT NULL REFERENCES declaration (id),
    n           INTEGER NOT NULL,
    raw         BLOB NOT NULL,
    fault       TEXT NOT NULL,
    person      TEXT NOT NULL,
    month       INTEGER NOT NULL,
    parts       TEXT NOT NULL,
    live        INTEGER NOT NULL,
    PRIMARY KEY (declaration, n)
);
CREATE UNIQUE INDEX declared_once ON declared (person, month) WHERE live = 1;
