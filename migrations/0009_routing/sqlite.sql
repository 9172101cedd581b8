-- By which rules an account's charges find their acquirer: one document per account, replaced as a whole.
CREATE TABLE routing_rules (
    account_id BLOB NOT NULL,
    rules TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id)
) STRICT;

-- Attempts at other acquirers that came before the one in the payment's row; nearly always none.
ALTER TABLE payment ADD COLUMN earlier TEXT;
