-- What is known of a customer is one document, so that forgetting it is one assignment. The row itself stays: payments name it.
CREATE TABLE customer (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    merchant_customer_id TEXT,
    document BLOB,
    last_method BLOB,
    deleted_at INTEGER,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (deleted_at IS NULL OR (merchant_customer_id IS NULL AND document IS NULL))
) STRICT;

-- The merchant's own names for his customers, each once.
CREATE TABLE customer_reference (
    account_id BLOB NOT NULL,
    merchant_customer_id TEXT NOT NULL,
    customer_id BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, merchant_customer_id)
) STRICT;

CREATE TABLE customer_session (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    country TEXT NOT NULL,
    callback_url TEXT,
    created_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

ALTER TABLE checkout_session ADD COLUMN customer_id BLOB;

ALTER TABLE payment ADD COLUMN customer_id BLOB;

CREATE INDEX payment_by_session ON payment (checkout_session, id) WHERE checkout_session IS NOT NULL;
