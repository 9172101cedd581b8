-- Double entry: the running sums of each ledger account, and one row per transfer.
-- A few rows are updated by every batch: room for many versions on the page keeps those updates out of the index.
CREATE TABLE ledger_account (
    owner_id UUID NOT NULL,
    kind BIGINT NOT NULL,
    currency BIGINT NOT NULL,
    debits BIGINT NOT NULL CHECK (debits >= 0),
    credits BIGINT NOT NULL CHECK (credits >= 0),
    sequence BIGINT NOT NULL CHECK (sequence >= 0),
    row_version BIGINT NOT NULL,
    PRIMARY KEY (owner_id, kind, currency)
) WITH (fillfactor = 30);

CREATE TABLE transfer (
    account_id UUID NOT NULL,
    cause UUID NOT NULL,
    recipe BIGINT NOT NULL,
    leg BIGINT NOT NULL,
    debit_owner UUID NOT NULL,
    debit_kind BIGINT NOT NULL,
    credit_owner UUID NOT NULL,
    credit_kind BIGINT NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    debit_sequence BIGINT NOT NULL,
    debit_balance BIGINT NOT NULL,
    credit_sequence BIGINT NOT NULL,
    credit_balance BIGINT NOT NULL,
    subject UUID NOT NULL,
    request_id TEXT,
    booked_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, cause, recipe, leg)
);
