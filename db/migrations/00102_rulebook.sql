-- +goose Up

-- Versions of policy packages that officers uploaded (政策包). text is the package
-- file and cases the file of its own cases, both as they were uploaded; digest is
-- the SM3 digest of the two. Days are yyyymmdd; to_day 0 is until the next version.
CREATE TABLE package_version (
    id       TEXT NOT NULL PRIMARY KEY,
    region   TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  TEXT NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    text     BLOB NOT NULL,
    cases    BLOB NOT NULL,
    digest   BLOB NOT NULL
);
CREATE INDEX package_version_region ON package_version (region, from_day);
-- append-only package_version: versions of packages are never changed

-- What was done with a version, in order; the last says how it stands.
CREATE TABLE package_step (
    package TEXT NOT NULL REFERENCES package_version (id),
    n       INTEGER NOT NULL,
    state   TEXT NOT NULL,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (package, n)
);
-- append-only package_step: what was done with a package is never changed

-- How often the set of issued versions changed. Each process compares it with what
-- it has read.
CREATE TABLE package_issue (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    n  BIGINT NOT NULL
);
INSERT INTO package_issue (id, n) VALUES (1, 0);
