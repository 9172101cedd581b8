-- Which version of its data key an account seals with.
CREATE TABLE vault_account (
    account_id UUID NOT NULL,
    current_version BIGINT NOT NULL CHECK (current_version >= 1),
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id)
);

CREATE TABLE vault_key (
    account_id UUID NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    made_at BIGINT NOT NULL,
    wrapped BYTEA NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, version)
);

-- The latest change of all data keys.
CREATE TABLE vault_rotation (
    id BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (id)
);

-- Sealed card numbers and, for minutes, security codes.
CREATE TABLE vault_record (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    made_at BIGINT NOT NULL,
    key_version BIGINT NOT NULL CHECK (key_version >= 1),
    sealed BYTEA NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE token (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    card TEXT NOT NULL,
    number_record UUID NOT NULL,
    code_record UUID,
    vault_on_success BOOLEAN NOT NULL,
    checkout_session UUID,
    customer_session UUID,
    expires_at BIGINT NOT NULL,
    used_by UUID,
    erased_at BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 85);

CREATE INDEX token_to_erase ON token (expires_at) WHERE erased_at IS NULL;

CREATE INDEX token_by_end ON token (expires_at);

CREATE TABLE payment_method (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    vaulted_token UUID NOT NULL,
    customer_id UUID,
    customer_session UUID,
    country TEXT NOT NULL,
    idempotency_key TEXT,
    verify BOOLEAN NOT NULL,
    verify_currency BIGINT,
    callback_url TEXT,
    created_at BIGINT NOT NULL,
    status BIGINT NOT NULL,
    card TEXT,
    fingerprint UUID,
    number_record UUID,
    payment_id UUID,
    last_used_at BIGINT,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 85);

CREATE INDEX payment_method_by_token ON payment_method (vaulted_token, account_id);

CREATE INDEX payment_method_by_customer ON payment_method (customer_id, id) WHERE customer_id IS NOT NULL;

-- The cards that are enrolled, each once for a customer.
CREATE TABLE customer_card (
    account_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    fingerprint UUID NOT NULL,
    method_id UUID NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, customer_id, fingerprint)
);

ALTER TABLE payment ADD COLUMN token UUID;

ALTER TABLE payment ADD COLUMN method_id UUID;

ALTER TABLE payment ADD COLUMN vaulted_token UUID;
