-- +goose Up

-- A reversal (撤销) is a settlement with opposite amounts; a settlement that is
-- made again because an earlier one was reversed replaces itself. No row is
-- ever changed: what stands is what nothing reverses.
ALTER TABLE settlement ADD COLUMN reverses TEXT NOT NULL DEFAULT '';
ALTER TABLE settlement ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
-- The order in which the person's year is settled: its own number or, of a
-- settlement made again, the place of the one that it replaces.
ALTER TABLE settlement ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
-- The first and the last benefit year in which it counts as a visit.
ALTER TABLE settlement ADD COLUMN counts_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE settlement ADD COLUMN counts_to INTEGER NOT NULL DEFAULT 0;
-- The deductible per stay that it bore (起付标准), for the later parts of a stay.
ALTER TABLE settlement ADD COLUMN stay_borne BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX settlement_reverses ON settlement (reverses) WHERE reverses <> '';
CREATE INDEX settlement_replaces ON settlement (replaces) WHERE replaces <> '';
CREATE INDEX settlement_history ON settlement (person, place, n);

-- The fees of a reversed settlement as they were when it stood. The fees
-- themselves may be taken back and settled again.
CREATE TABLE reversed_fee (
    settlement    TEXT NOT NULL REFERENCES settlement (id),
    serial        TEXT NOT NULL,
    n             INTEGER NOT NULL,
    batch         TEXT NOT NULL,
    original      TEXT NOT NULL,
    item          TEXT NOT NULL,
    provider_item TEXT NOT NULL,
    name          TEXT NOT NULL,
    day           INTEGER NOT NULL,
    at            TEXT NOT NULL,
    quantity      BIGINT NOT NULL,
    price         BIGINT NOT NULL,
    amount        BIGINT NOT NULL,
    class         INTEGER NOT NULL,
    first_pay     BIGINT NOT NULL,
    unit_ceiling  BIGINT NOT NULL,
    department    TEXT NOT NULL,
    doctor        TEXT NOT NULL,
    PRIMARY KEY (settlement, serial)
);

-- When a fee arose, to the second; '' of fees from before it was kept.
ALTER TABLE fee ADD COLUMN at TEXT NOT NULL DEFAULT '';

-- When a stay ended (出院), '' while it lasts; cancelled: 撤销 of the visit.
ALTER TABLE visit ADD COLUMN ended TEXT NOT NULL DEFAULT '';
ALTER TABLE visit ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;

-- Diagnoses of the admission or visit (discharge 0) and of the discharge (1).
ALTER TABLE diagnosis ADD COLUMN discharge INTEGER NOT NULL DEFAULT 0;
ALTER TABLE diagnosis ADD COLUMN rank TEXT NOT NULL DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN condition TEXT NOT NULL DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN department TEXT NOT NULL DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN doctor_code TEXT NOT NULL DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN doctor TEXT NOT NULL DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN at TEXT NOT NULL DEFAULT '';

-- What a message of the national interface did (subject), so that it can be
-- undone by its number (冲正), and which messages must do nothing any more.
CREATE TABLE his_message (
    provider  TEXT NOT NULL,
    msgid     TEXT NOT NULL,
    infno     TEXT NOT NULL,
    subject   TEXT NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (provider, msgid)
);
CREATE INDEX his_message_subject ON his_message (subject) WHERE subject <> '';

-- What a provider said of a visit that only goes back to it: sealed, for it
-- holds names and telephone numbers.
CREATE TABLE his_visit (
    visit TEXT PRIMARY KEY REFERENCES visit (id),
    notes BLOB NOT NULL
);
