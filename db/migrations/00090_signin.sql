-- +goose Up

-- Passwords of people for the pages (登录密码), as keyed hashes. locked_ms is until
-- when none is looked at, after too many failures.
CREATE TABLE login_password (
    person     TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    secret     BLOB NOT NULL,
    failures   INTEGER NOT NULL,
    locked_ms  BIGINT NOT NULL,
    changed_at TEXT NOT NULL
);

-- Users who work here (操作员): officers of the agency, and those of employers and
-- providers. roles are names with spaces between; of is the employer or provider.
CREATE TABLE operator (
    name       TEXT NOT NULL PRIMARY KEY,
    title      TEXT NOT NULL,
    roles      TEXT NOT NULL,
    region     TEXT NOT NULL,
    of         TEXT NOT NULL,
    secret     BLOB NOT NULL,
    fresh      INTEGER NOT NULL, -- the password was set by somebody else
    failures   INTEGER NOT NULL,
    locked_ms  BIGINT NOT NULL,
    stopped    INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL
);

-- Who is signed in (登录会话), by the digest of what their browser holds. person
-- or operator is set; acting is the person whose affairs they see to.
CREATE TABLE session (
    digest   BLOB NOT NULL PRIMARY KEY,
    person   TEXT NOT NULL,
    operator TEXT NOT NULL,
    acting   TEXT NOT NULL,
    seen_ms  BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE INDEX session_until ON session (until_ms);
CREATE INDEX session_person ON session (person);
CREATE INDEX session_operator ON session (operator);

-- How often something was tried, from since_ms on (限流).
CREATE TABLE throttle (
    key      BLOB NOT NULL PRIMARY KEY,
    since_ms BIGINT NOT NULL,
    n        INTEGER NOT NULL
);

-- Who may see to whose affairs (委托代办). Days are yyyymmdd, both included.
CREATE TABLE agency (
    principal TEXT NOT NULL REFERENCES person (id),
    agent     TEXT NOT NULL REFERENCES person (id),
    from_day  INTEGER NOT NULL,
    to_day    INTEGER NOT NULL,
    at        TEXT NOT NULL,
    PRIMARY KEY (principal, agent)
);
CREATE INDEX agency_agent ON agency (agent);
