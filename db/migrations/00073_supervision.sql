-- +goose Up

-- What the rules found before care was given or while it was given (事前、事中
-- 违规信息), as it was told to the provider. What was found in words is sealed:
-- it says what a person suffers from and takes.
CREATE TABLE finding (
    id          TEXT PRIMARY KEY,
    task        TEXT NOT NULL,
    phase       TEXT NOT NULL,
    provider    TEXT NOT NULL,
    person      TEXT NOT NULL REFERENCES person (id),
    visit       TEXT NOT NULL,
    other_visit TEXT NOT NULL,
    rule        TEXT NOT NULL,
    severity    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    amount      BIGINT NOT NULL,
    computed    INTEGER NOT NULL,
    at          TEXT NOT NULL,
    body        BLOB NOT NULL
);
CREATE INDEX finding_person ON finding (person, at);

-- The orders that a finding is about; order_id '' is the visit itself.
CREATE TABLE finding_detail (
    finding  TEXT NOT NULL REFERENCES finding (id),
    n        INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    amount   BIGINT NOT NULL,
    PRIMARY KEY (finding, n)
);

-- What the provider did about a finding (反馈), oldest first; the last counts.
CREATE TABLE finding_response (
    finding TEXT NOT NULL REFERENCES finding (id),
    n       INTEGER NOT NULL,
    answer  TEXT NOT NULL,
    reason  BLOB NOT NULL,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    PRIMARY KEY (finding, n)
);
