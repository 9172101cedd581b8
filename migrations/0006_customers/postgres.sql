-- What is known of a customer is one document, so that forgetting it is one assignment. The row itself stays: payments name it.
CREATE TABLE customer (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    merchant_customer_id TEXT,
    document BYTEA,
    last_method UUID,
    deleted_at BIGINT,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (deleted_at IS NULL OR (merchant_customer_id IS NULL AND document IS NULL))
) WITH (fillfactor = 85);

-- The merchant's own names for his customers, each once.
CREATE TABLE customer_reference (
    account_id UUID NOT NULL,
    merchant_customer_id TEXT NOT NULL,
    customer_id UUID NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, merchant_customer_id)
);

CREATE TABLE customer_session (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    country TEXT NOT NULL,
    callback_url TEXT,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

ALTER TABLE checkout_session ADD COLUMN customer_id UUID;

ALTER TABLE payment ADD COLUMN customer_id UUID;

CREATE INDEX payment_by_session ON payment (checkout_session, id) WHERE checkout_session IS NOT NULL;
