-- The sandbox acquirer's own register: one row per attempt it received, charges and what was done to them alike.
CREATE TABLE received (
    attempt_id BLOB NOT NULL PRIMARY KEY,
    id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    payment_id BLOB,
    charge BLOB,
    connector INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    merchant_order_id TEXT,
    currency INTEGER,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    last4 TEXT,
    verdict INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    calls INTEGER NOT NULL CHECK (calls >= 0),
    captured INTEGER NOT NULL CHECK (captured >= 0),
    refunded INTEGER NOT NULL CHECK (refunded >= 0 AND refunded <= captured),
    voided INTEGER NOT NULL CHECK (voided >= 0),
    row_version INTEGER NOT NULL
) STRICT;
