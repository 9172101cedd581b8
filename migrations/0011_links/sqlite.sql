CREATE TABLE payment_link (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    country TEXT NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    description TEXT,
    merchant_order_id TEXT,
    capture INTEGER NOT NULL,
    one_time_use INTEGER NOT NULL,
    callback_url TEXT,
    start_at INTEGER,
    finish_at INTEGER,
    details BLOB,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    payments_number INTEGER NOT NULL CHECK (payments_number >= 0),
    paying BLOB,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

-- A payer knows a link by its id alone.
CREATE UNIQUE INDEX payment_link_by_id ON payment_link (id);

-- Which link a payment was made through.
CREATE TABLE payment_link_payment (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    link_id BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;

CREATE INDEX payment_link_payment_by_link ON payment_link_payment (link_id, payment_id);
