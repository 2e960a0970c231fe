-- +goose Up

-- Months of employees' insurance that were paid elsewhere or before this system
-- (视同、转入缴费月数), as documents say.
CREATE TABLE prior_months (
    person   TEXT NOT NULL REFERENCES person (id),
    n        BIGINT NOT NULL,
    months   INTEGER NOT NULL,
    place    TEXT NOT NULL,
    document TEXT NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (person, n)
);

-- Registered retirements (退休登记). bill is that of the shortfall, '' none.
CREATE TABLE retirement (
    person    TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    day       INTEGER NOT NULL,
    paid      INTEGER NOT NULL,
    prior     INTEGER NOT NULL,
    required  INTEGER NOT NULL,
    bill      TEXT NOT NULL,
    at        TEXT NOT NULL
);
