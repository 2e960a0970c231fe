-- +goose Up

-- Discharge abstracts (医疗保障基金结算清单), one for a settlement: what
-- grouping by DRG and DIP asks in columns and the two tables below, the whole
-- sealed in document, for it holds addresses and telephone numbers. state 0 is
-- a draft (未提交), 1 submitted (已提交). Weights are 0.01 g, ventilated minutes;
-- -1 is not stated. Times are those of China, '' for none.
CREATE TABLE abstract (
    number           BIGINT NOT NULL PRIMARY KEY,
    settlement       TEXT NOT NULL UNIQUE,
    visit            TEXT NOT NULL,
    person           TEXT NOT NULL,
    provider         TEXT NOT NULL,
    state            INTEGER NOT NULL,
    uploads          INTEGER NOT NULL,
    uploaded         TEXT NOT NULL,
    submitted        TEXT NOT NULL,
    admitted         TEXT NOT NULL,
    discharged       TEXT NOT NULL,
    age_days         INTEGER NOT NULL,
    birth_weight     BIGINT NOT NULL,
    admission_weight BIGINT NOT NULL,
    ventilated       BIGINT NOT NULL,
    discharge_way    TEXT NOT NULL,
    payment          TEXT NOT NULL,
    document         BLOB NOT NULL
);
CREATE INDEX abstract_provider ON abstract (provider, uploaded);

CREATE TABLE abstract_diagnosis (
    abstract  BIGINT NOT NULL REFERENCES abstract (number),
    n         INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    code      TEXT NOT NULL,
    name      TEXT NOT NULL,
    condition TEXT NOT NULL,
    main      INTEGER NOT NULL,
    PRIMARY KEY (abstract, n)
);

CREATE TABLE abstract_operation (
    abstract BIGINT NOT NULL REFERENCES abstract (number),
    n        INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    code     TEXT NOT NULL,
    name     TEXT NOT NULL,
    begun    TEXT NOT NULL,
    ended    TEXT NOT NULL,
    PRIMARY KEY (abstract, n)
);
