-- By which rules an account's charges find their acquirer: one document per account, replaced as a whole.
CREATE TABLE routing_rules (
    account_id UUID NOT NULL,
    rules TEXT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id)
);

-- Attempts at other acquirers that came before the one in the payment's row; nearly always none.
ALTER TABLE payment ADD COLUMN earlier TEXT;
