CREATE TABLE subscription (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    country TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    unit BIGINT NOT NULL,
    every BIGINT NOT NULL CHECK (every BETWEEN 1 AND 365),
    trial_cycles BIGINT NOT NULL CHECK (trial_cycles >= 0),
    trial_amount BIGINT NOT NULL CHECK (trial_amount BETWEEN 0 AND 1000000000000),
    trial_currency BIGINT NOT NULL,
    customer_id TEXT,
    created_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    vaulted_token TEXT NOT NULL,
    total BIGINT,
    finish_at BIGINT,
    retry_on_decline BOOLEAN NOT NULL,
    retry_amount BIGINT NOT NULL CHECK (retry_amount BETWEEN 0 AND 6),
    stop_on_hard_decline BOOLEAN NOT NULL,
    cancel_on_exhausted BOOLEAN NOT NULL,
    details BYTEA,
    state BIGINT NOT NULL,
    cycle BIGINT NOT NULL CHECK (cycle >= 1),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    retries_used BIGINT NOT NULL CHECK (retries_used >= 0),
    declined_at BIGINT,
    next_at BIGINT,
    forced BOOLEAN NOT NULL,
    wake_at BIGINT,
    paying UUID,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX subscription_by_time ON subscription (wake_at) WHERE wake_at IS NOT NULL;

-- For which cycle a payment was made, and at which try.
CREATE TABLE subscription_payment (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    cycle BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    forced BOOLEAN NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);

CREATE UNIQUE INDEX subscription_payment_by_try ON subscription_payment (subscription_id, cycle, attempt);
