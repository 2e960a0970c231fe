-- +goose Up

-- Where an item of the insurance catalogue stands: its list, a number of its
-- own for the row, and the day on which the row was last written.
ALTER TABLE item ADD COLUMN list TEXT NOT NULL DEFAULT '';
ALTER TABLE item ADD COLUMN record TEXT NOT NULL DEFAULT '';
ALTER TABLE item ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE item SET
    list = CASE kind WHEN 'drug' THEN 'western_drug' WHEN 'consumable' THEN 'consumable' ELSE 'service' END,
    record = code || '-' || region || '-' || CAST(from_day AS TEXT),
    updated = from_day;
CREATE INDEX item_page ON item (list, code);

-- The newest version of each list of the national catalogues (目录).
CREATE TABLE catalogue_list (
    list    TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);

-- Entries of the lists as they are now; version is that of their last change.
-- attributes is a JSON object from the official column title to its text.
CREATE TABLE catalogue_entry (
    list       TEXT NOT NULL,
    code       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    name       TEXT NOT NULL,
    valid      INTEGER NOT NULL,
    from_day   INTEGER NOT NULL,
    to_day     INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (list, code)
);
CREATE INDEX catalogue_entry_version ON catalogue_entry (list, version, code);

-- Files exchanged with providers; owner '' is a file for every provider.
CREATE TABLE exchange_file (
    number  TEXT PRIMARY KEY,
    owner   TEXT NOT NULL,
    name    TEXT NOT NULL,
    size    BIGINT NOT NULL,
    digest  BLOB NOT NULL,
    at      TEXT NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX exchange_file_name ON exchange_file (owner, name);
CREATE INDEX exchange_file_expires ON exchange_file (expires);

-- Their bytes, sealed, in pieces.
CREATE TABLE exchange_chunk (
    file TEXT NOT NULL REFERENCES exchange_file (number),
    n    INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (file, n)
);

ALTER TABLE provider ADD COLUMN credit_code TEXT NOT NULL DEFAULT '';

-- What a provider charges, mapped to the national catalogue (目录对照).
CREATE TABLE provider_item (
    provider       TEXT NOT NULL REFERENCES provider (code),
    code           TEXT NOT NULL,
    list           TEXT NOT NULL,
    item           TEXT NOT NULL,
    name           TEXT NOT NULL,
    from_day       INTEGER NOT NULL,
    to_day         INTEGER NOT NULL,
    approval       TEXT NOT NULL,
    form           TEXT NOT NULL,
    excluded       TEXT NOT NULL,
    content        TEXT NOT NULL,
    unit           TEXT NOT NULL,
    specification  TEXT NOT NULL,
    packaging      TEXT NOT NULL,
    note           TEXT NOT NULL,
    record         TEXT NOT NULL,
    withdrawn      INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    updated        INTEGER NOT NULL,
    PRIMARY KEY (provider, code, list, item)
);

-- Departments of providers (科室). phone is sealed.
CREATE TABLE department (
    provider     TEXT NOT NULL REFERENCES provider (code),
    code         TEXT NOT NULL,
    name         TEXT NOT NULL,
    specialty    TEXT NOT NULL,
    from_day     INTEGER NOT NULL,
    to_day       INTEGER NOT NULL,
    established  INTEGER NOT NULL,
    head         TEXT NOT NULL,
    phone        BLOB NOT NULL,
    introduction TEXT NOT NULL,
    scope        TEXT NOT NULL,
    beds         INTEGER NOT NULL,
    insured_beds INTEGER NOT NULL,
    PRIMARY KEY (provider, code)
);

-- Medical staff of providers (医执人员). The citizen ID is sealed, and found by
-- its keyed digest.
CREATE TABLE staff (
    provider      TEXT NOT NULL REFERENCES provider (code),
    code          TEXT NOT NULL,
    number        TEXT NOT NULL,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    department    TEXT NOT NULL,
    citizen_id    BLOB NOT NULL,
    id_digest     BLOB NOT NULL,
    qualification TEXT NOT NULL,
    licence       TEXT NOT NULL,
    insured       INTEGER NOT NULL,
    from_day      INTEGER NOT NULL,
    to_day        INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    PRIMARY KEY (provider, code)
);
