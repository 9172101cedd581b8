-- The sandbox acquirer's own register: one row per attempt it received, charges and what was done to them alike.
CREATE TABLE received (
    attempt_id UUID NOT NULL PRIMARY KEY,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    payment_id UUID,
    charge UUID,
    connector BIGINT NOT NULL,
    operation BIGINT NOT NULL,
    merchant_order_id TEXT,
    currency BIGINT,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    last4 TEXT,
    verdict BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    calls BIGINT NOT NULL CHECK (calls >= 0),
    captured BIGINT NOT NULL CHECK (captured >= 0),
    refunded BIGINT NOT NULL CHECK (refunded >= 0 AND refunded <= captured),
    voided BIGINT NOT NULL CHECK (voided >= 0),
    row_version BIGINT NOT NULL
);
