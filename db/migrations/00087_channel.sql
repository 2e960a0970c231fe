-- +goose Up

-- From which bank account a person or an employer lets contributions be taken
-- (代扣协议). account and holder are sealed.
CREATE TABLE mandate (
    payer   TEXT NOT NULL PRIMARY KEY,
    bank    TEXT NOT NULL,
    account BLOB NOT NULL,
    holder  BLOB NOT NULL,
    at      TEXT NOT NULL
);

-- Files of withholdings handed to a bank (批量代扣), and their rows. state: 0 at
-- the bank, 1 taken, 2 failed. What is at the bank is in no other file.
CREATE TABLE bank_batch (
    id      TEXT NOT NULL PRIMARY KEY,
    region  TEXT NOT NULL,
    made_at TEXT NOT NULL,
    made_by TEXT NOT NULL
);
CREATE TABLE bank_row (
    batch  TEXT NOT NULL REFERENCES bank_batch (id),
    n      INTEGER NOT NULL,
    bill   TEXT NOT NULL,
    payer  TEXT NOT NULL,
    amount BIGINT NOT NULL,
    state  INTEGER NOT NULL,
    why    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (batch, n)
);
CREATE UNIQUE INDEX bank_row_bill ON bank_row (bill) WHERE state = 0;

-- Orders at an online channel (网上缴费订单), and money that goes back over it.
CREATE TABLE online_order (
    id      TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    bill    TEXT NOT NULL,
    amount  BIGINT NOT NULL,
    made_at TEXT NOT NULL
);
CREATE INDEX online_order_bill ON online_order (bill);
CREATE TABLE online_refund (
    channel   TEXT NOT NULL,
    reference TEXT NOT NULL,
    amount    BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    done_at   TEXT NOT NULL DEFAULT '',
    tries     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, reference)
);
CREATE INDEX online_refund_waiting ON online_refund (channel, reference) WHERE done_at = '';
