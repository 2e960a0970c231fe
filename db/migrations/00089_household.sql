-- +goose Up

-- Households (家庭户), and who belongs to one, as what to its head. to_day 0 is
-- open: a person belongs to one at a time.
CREATE TABLE household (
    id     TEXT NOT NULL PRIMARY KEY,
    region TEXT NOT NULL,
    at     TEXT NOT NULL
);
CREATE TABLE household_member (
    person    TEXT NOT NULL REFERENCES person (id),
    household TEXT NOT NULL REFERENCES household (id),
    relation  TEXT NOT NULL,
    from_day  INTEGER NOT NULL,
    to_day    INTEGER NOT NULL,
    PRIMARY KEY (person, from_day)
);
CREATE UNIQUE INDEX household_member_one ON household_member (person) WHERE to_day = 0;
CREATE INDEX household_member_household ON household_member (household, from_day);
