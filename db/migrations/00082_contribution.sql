-- +goose Up

-- Registrations for insurance (参保登记): in which scheme and as what, since
-- when. wage is the declared monthly base in fen; to_day 0 is open.
CREATE TABLE registration (
    person   TEXT NOT NULL REFERENCES person (id),
    scheme   INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    ground   TEXT NOT NULL,
    wage     BIGINT NOT NULL,
    PRIMARY KEY (person, scheme, from_day)
);

-- Contributions due (应缴) of a person for one period. due is what the person
-- pays, in fen; parts are all payers' shares as JSON; n is the order in which
-- bills were made. Of a period one bill may be open or paid.
CREATE TABLE bill (
    id       TEXT NOT NULL PRIMARY KEY,
    n        BIGINT NOT NULL,
    person   TEXT NOT NULL REFERENCES person (id),
    region   TEXT NOT NULL,
    scheme   INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    to_day   INTEGER NOT NULL,
    facts    TEXT NOT NULL,
    parts    TEXT NOT NULL,
    due      BIGINT NOT NULL,
    package  TEXT NOT NULL,
    state    INTEGER NOT NULL,
    made_at  TEXT NOT NULL,
    made_by  TEXT NOT NULL,
    paid_at  TEXT NOT NULL DEFAULT '',
    why      TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX bill_period ON bill (person, scheme, from_day) WHERE state < 2;
CREATE INDEX bill_person ON bill (person, from_day);

-- Money that came in (缴费到账), by the channel's own number: each counts once,
-- whatever it is for. bill is a bill's or an employer's declaration's.
CREATE TABLE bill_payment (
    channel     TEXT NOT NULL,
    reference   TEXT NOT NULL,
    bill        TEXT NOT NULL,
    amount      BIGINT NOT NULL,
    at          TEXT NOT NULL,
    state       INTEGER NOT NULL,
    note        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    refunded_at TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (channel, reference)
);
CREATE INDEX bill_payment_bill ON bill_payment (bill);
