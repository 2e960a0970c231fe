-- +goose Up

-- How a provider's messages are proved, one row for each set of keys; several
-- hold at once while keys are changed. mode: none, digest, sign, encrypt;
-- gateway: '', csb, tif, apikey. secret, cipher_key and gateway_secret are
-- sealed. clock_window is in seconds. to_time '' is open, revoked '' is never.
CREATE TABLE provider_security (
    provider       TEXT NOT NULL REFERENCES provider (code),
    n              INTEGER NOT NULL,
    mode           TEXT NOT NULL,
    public_key     TEXT NOT NULL,
    secret         BLOB NOT NULL,
    cipher_key     BLOB NOT NULL,
    gateway        TEXT NOT NULL,
    access_key     TEXT NOT NULL,
    gateway_secret BLOB NOT NULL,
    clock_window   INTEGER NOT NULL,
    from_time      TEXT NOT NULL,
    to_time        TEXT NOT NULL,
    revoked        TEXT NOT NULL,
    PRIMARY KEY (provider, n)
);
