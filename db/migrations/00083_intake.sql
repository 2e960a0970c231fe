-- +goose Up

-- Files of people that were taken in (参保名册导入), by the digest of their
-- contents, and how far. rows_read are done with, whatever became of them.
CREATE TABLE intake (
    digest    TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL,
    rows_read BIGINT NOT NULL,
    people    BIGINT NOT NULL,
    spells    BIGINT NOT NULL,
    balances  BIGINT NOT NULL,
    rejected  BIGINT NOT NULL,
    done      INTEGER NOT NULL,
    begun_at  TEXT NOT NULL
);
-- often changed: intake

-- Rows that were not taken. seen says nothing that tells who a person is.
CREATE TABLE intake_rejected (
    digest TEXT NOT NULL,
    line   BIGINT NOT NULL,
    field  TEXT NOT NULL,
    seen   TEXT NOT NULL,
    why    TEXT NOT NULL,
    PRIMARY KEY (digest, line)
) WITHOUT ROWID;
