-- Each payment is updated once, soon after its insert: half of the page is kept for that, so that the update needs no new index entries.
CREATE TABLE payment (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    attempt_id UUID NOT NULL,
    merchant_order_id TEXT NOT NULL,
    description TEXT NOT NULL,
    country TEXT NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 0 AND 1000000000000),
    fee BIGINT NOT NULL CHECK (fee BETWEEN 0 AND amount),
    mode BIGINT NOT NULL,
    workflow BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    card TEXT,
    checkout_session UUID,
    idempotency_key TEXT,
    split BYTEA,
    details BYTEA,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    response TEXT,
    answered_at BIGINT,
    captured BIGINT NOT NULL CHECK (captured >= 0),
    capturing BIGINT NOT NULL CHECK (capturing >= 0),
    refunded BIGINT NOT NULL CHECK (refunded >= 0),
    refunding BIGINT NOT NULL CHECK (refunding >= 0),
    hold_until BIGINT,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (captured + capturing <= amount),
    CHECK (refunded + refunding <= captured)
) WITH (fillfactor = 45);

CREATE INDEX payment_by_order ON payment (merchant_order_id, account_id);

CREATE INDEX payment_by_hold ON payment (hold_until) WHERE hold_until IS NOT NULL;

CREATE TABLE attempt (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    payment_id UUID NOT NULL,
    kind BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    form BIGINT NOT NULL,
    named UUID NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    fee BIGINT NOT NULL CHECK (fee BETWEEN 0 AND amount),
    claim UUID,
    details BYTEA,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    response TEXT,
    returned BIGINT NOT NULL CHECK (returned BETWEEN 0 AND amount),
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 85);

CREATE INDEX attempt_by_payment ON attempt (payment_id, id);

CREATE TABLE asking (
    account_id UUID NOT NULL,
    attempt_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    claim UUID,
    since BIGINT NOT NULL,
    next_ask_at BIGINT NOT NULL,
    asks BIGINT NOT NULL,
    missing_since BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
) WITH (fillfactor = 85);

CREATE INDEX asking_by_time ON asking (next_ask_at);

CREATE TABLE checkout_session (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    merchant_order_id TEXT NOT NULL,
    payment_description TEXT NOT NULL,
    country TEXT NOT NULL,
    currency BIGINT,
    amount BIGINT CHECK (amount BETWEEN 0 AND 1000000000000),
    workflow BIGINT NOT NULL,
    details BYTEA,
    created_at BIGINT NOT NULL,
    payment_id UUID,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 85);
