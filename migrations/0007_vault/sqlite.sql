-- Which version of its data key an account seals with.
CREATE TABLE vault_account (
    account_id BLOB NOT NULL,
    current_version INTEGER NOT NULL CHECK (current_version >= 1),
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id)
) STRICT;

CREATE TABLE vault_key (
    account_id BLOB NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    made_at INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, version)
) STRICT;

-- The latest change of all data keys.
CREATE TABLE vault_rotation (
    id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;

-- Sealed card numbers and, for minutes, security codes.
CREATE TABLE vault_record (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    key_version INTEGER NOT NULL CHECK (key_version >= 1),
    sealed BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE TABLE token (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    card TEXT NOT NULL,
    number_record BLOB NOT NULL,
    code_record BLOB,
    vault_on_success INTEGER NOT NULL,
    checkout_session BLOB,
    customer_session BLOB,
    expires_at INTEGER NOT NULL,
    used_by BLOB,
    erased_at INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE INDEX token_to_erase ON token (expires_at) WHERE erased_at IS NULL;

CREATE INDEX token_by_end ON token (expires_at);

CREATE TABLE payment_method (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    vaulted_token BLOB NOT NULL,
    customer_id BLOB,
    customer_session BLOB,
    country TEXT NOT NULL,
    idempotency_key TEXT,
    verify INTEGER NOT NULL,
    verify_currency INTEGER,
    callback_url TEXT,
    created_at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    card TEXT,
    fingerprint BLOB,
    number_record BLOB,
    payment_id BLOB,
    last_used_at INTEGER,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE INDEX payment_method_by_token ON payment_method (vaulted_token, account_id);

CREATE INDEX payment_method_by_customer ON payment_method (customer_id, id) WHERE customer_id IS NOT NULL;

-- The cards that are enrolled, each once for a customer.
CREATE TABLE customer_card (
    account_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    method_id BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, customer_id, fingerprint)
) STRICT;

ALTER TABLE payment ADD COLUMN token BLOB;

ALTER TABLE payment ADD COLUMN method_id BLOB;

ALTER TABLE payment ADD COLUMN vaulted_token BLOB;
