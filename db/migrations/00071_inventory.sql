-- +goose Up

-- What moved of a provider's items (进销存). A row is written once; only its
-- voiding is added. quantity is signed, in 1/10000 units; of a count (kind 1)
-- it is what there was at its time. price is in 10^-6 yuan, -1 if not stated;
-- original is what a return takes back, 0 for none; insured says that a sale
-- belongs to insured care. voided is '' while the row stands.
CREATE TABLE inventory_movement (
    id            BIGINT NOT NULL PRIMARY KEY,
    provider      TEXT NOT NULL REFERENCES provider (code),
    kind          INTEGER NOT NULL,
    number        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    original      BIGINT NOT NULL,
    at            TEXT NOT NULL,
    item          TEXT NOT NULL,
    provider_item TEXT NOT NULL,
    name          TEXT NOT NULL,
    quantity      BIGINT NOT NULL,
    price         BIGINT NOT NULL,
    lot           TEXT NOT NULL,
    made          INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    producer      TEXT NOT NULL,
    approval      TEXT NOT NULL,
    supplier      TEXT NOT NULL,
    prescription  INTEGER NOT NULL,
    opened        INTEGER NOT NULL,
    gift          INTEGER NOT NULL,
    person        TEXT NOT NULL,
    visit         TEXT NOT NULL,
    visit_number  TEXT NOT NULL,
    settlement    TEXT NOT NULL,
    insured       INTEGER NOT NULL,
    details       BLOB NOT NULL,
    recorded      TEXT NOT NULL,
    recorded_by   TEXT NOT NULL,
    voided        TEXT NOT NULL DEFAULT '',
    voided_by     TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX inventory_number ON inventory_movement (provider, kind, number) WHERE voided = '';
CREATE INDEX inventory_voided ON inventory_movement (provider, number) WHERE voided <> '';
CREATE INDEX inventory_stock ON inventory_movement (provider, provider_item, at, kind, voided, quantity);
CREATE INDEX inventory_count ON inventory_movement (provider, provider_item, at) WHERE kind = 1 AND voided = '';
CREATE INDEX inventory_kind ON inventory_movement (provider, kind, at) WHERE voided = '';
CREATE INDEX inventory_original ON inventory_movement (original) WHERE original <> 0 AND voided = '';

-- The traceability codes (药品追溯码) of what moved.
CREATE TABLE inventory_trace (
    movement BIGINT NOT NULL REFERENCES inventory_movement (id),
    n        INTEGER NOT NULL,
    code     TEXT NOT NULL,
    PRIMARY KEY (movement, n)
) WITHOUT ROWID;
CREATE INDEX inventory_trace_code ON inventory_trace (code);
