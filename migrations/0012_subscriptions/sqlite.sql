CREATE TABLE subscription (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    country TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    unit INTEGER NOT NULL,
    every INTEGER NOT NULL CHECK (every BETWEEN 1 AND 365),
    trial_cycles INTEGER NOT NULL CHECK (trial_cycles >= 0),
    trial_amount INTEGER NOT NULL CHECK (trial_amount BETWEEN 0 AND 1000000000000),
    trial_currency INTEGER NOT NULL,
    customer_id TEXT,
    created_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    vaulted_token TEXT NOT NULL,
    total INTEGER,
    finish_at INTEGER,
    retry_on_decline INTEGER NOT NULL,
    retry_amount INTEGER NOT NULL CHECK (retry_amount BETWEEN 0 AND 6),
    stop_on_hard_decline INTEGER NOT NULL,
    cancel_on_exhausted INTEGER NOT NULL,
    details BLOB,
    state INTEGER NOT NULL,
    cycle INTEGER NOT NULL CHECK (cycle >= 1),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    retries_used INTEGER NOT NULL CHECK (retries_used >= 0),
    declined_at INTEGER,
    next_at INTEGER,
    forced INTEGER NOT NULL,
    wake_at INTEGER,
    paying BLOB,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE INDEX subscription_by_time ON subscription (wake_at) WHERE wake_at IS NOT NULL;

-- For which cycle a payment was made, and at which try.
CREATE TABLE subscription_payment (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    cycle INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    forced INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;

CREATE UNIQUE INDEX subscription_payment_by_try ON subscription_payment (subscription_id, cycle, attempt);
