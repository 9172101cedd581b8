CREATE TABLE payment (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    attempt_id BLOB NOT NULL,
    merchant_order_id TEXT NOT NULL,
    description TEXT NOT NULL,
    country TEXT NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 1000000000000),
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND amount),
    mode INTEGER NOT NULL,
    workflow INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    card TEXT,
    checkout_session BLOB,
    idempotency_key TEXT,
    split BLOB,
    details BLOB,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    response TEXT,
    answered_at INTEGER,
    captured INTEGER NOT NULL CHECK (captured >= 0),
    capturing INTEGER NOT NULL CHECK (capturing >= 0),
    refunded INTEGER NOT NULL CHECK (refunded >= 0),
    refunding INTEGER NOT NULL CHECK (refunding >= 0),
    hold_until INTEGER,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (captured + capturing <= amount),
    CHECK (refunded + refunding <= captured)
) STRICT;

CREATE INDEX payment_by_order ON payment (merchant_order_id, account_id);

CREATE INDEX payment_by_hold ON payment (hold_until) WHERE hold_until IS NOT NULL;

CREATE TABLE attempt (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    form INTEGER NOT NULL,
    named BLOB NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND amount),
    claim BLOB,
    details BLOB,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    response TEXT,
    returned INTEGER NOT NULL CHECK (returned BETWEEN 0 AND amount),
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE INDEX attempt_by_payment ON attempt (payment_id, id);

CREATE TABLE asking (
    account_id BLOB NOT NULL,
    attempt_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    claim BLOB,
    since INTEGER NOT NULL,
    next_ask_at INTEGER NOT NULL,
    asks INTEGER NOT NULL,
    missing_since INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
) STRICT;

CREATE INDEX asking_by_time ON asking (next_ask_at);

CREATE TABLE checkout_session (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    merchant_order_id TEXT NOT NULL,
    payment_description TEXT NOT NULL,
    country TEXT NOT NULL,
    currency INTEGER,
    amount INTEGER CHECK (amount BETWEEN 0 AND 1000000000000),
    workflow INTEGER NOT NULL,
    details BLOB,
    created_at INTEGER NOT NULL,
    payment_id BLOB,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;
