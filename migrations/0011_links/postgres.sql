CREATE TABLE payment_link (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    country TEXT NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    description TEXT,
    merchant_order_id TEXT,
    capture BOOLEAN NOT NULL,
    one_time_use BOOLEAN NOT NULL,
    callback_url TEXT,
    start_at BIGINT,
    finish_at BIGINT,
    details BYTEA,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    payments_number BIGINT NOT NULL CHECK (payments_number >= 0),
    paying UUID,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- A payer knows a link by its id alone.
CREATE UNIQUE INDEX payment_link_by_id ON payment_link (id);

-- Which link a payment was made through.
CREATE TABLE payment_link_payment (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    link_id UUID NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);

CREATE INDEX payment_link_payment_by_link ON payment_link_payment (link_id, payment_id);
