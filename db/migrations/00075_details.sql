-- +goose Up

-- What an order said of a fee beyond what decides its payment: prescription,
-- use, departments and doctors (费用明细的医嘱信息), as JSON. Only fees of which
-- something was said have a row. settlement '' is the fee as it stands; a fee
-- that was settled and taken back is kept for the settlement that had it.
CREATE TABLE fee_detail (
    visit      TEXT NOT NULL,
    serial     TEXT NOT NULL,
    settlement TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (visit, serial, settlement)
) WITHOUT ROWID;

-- Ethnic group (民族) by the code of GB/T 3304, '' if not known; and the keyed
-- digest of the serial of the social security card (卡识别码).
ALTER TABLE person ADD COLUMN ethnicity TEXT NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN card_serial_digest BLOB;

-- Who sent the message that made something (经办人).
ALTER TABLE his_message ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE his_message ADD COLUMN operator_name TEXT NOT NULL DEFAULT '';

-- From which terminal an operator signed in.
ALTER TABLE sign_in ADD COLUMN mac TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in ADD COLUMN ip TEXT NOT NULL DEFAULT '';
