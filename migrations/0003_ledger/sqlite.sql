-- Double entry: the running sums of each ledger account, and one row per transfer.
CREATE TABLE ledger_account (
    owner_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    debits INTEGER NOT NULL CHECK (debits >= 0),
    credits INTEGER NOT NULL CHECK (credits >= 0),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    row_version INTEGER NOT NULL,
    PRIMARY KEY (owner_id, kind, currency)
) STRICT;

CREATE TABLE transfer (
    account_id BLOB NOT NULL,
    cause BLOB NOT NULL,
    recipe INTEGER NOT NULL,
    leg INTEGER NOT NULL,
    debit_owner BLOB NOT NULL,
    debit_kind INTEGER NOT NULL,
    credit_owner BLOB NOT NULL,
    credit_kind INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    debit_sequence INTEGER NOT NULL,
    debit_balance INTEGER NOT NULL,
    credit_sequence INTEGER NOT NULL,
    credit_balance INTEGER NOT NULL,
    subject BLOB NOT NULL,
    request_id TEXT,
    booked_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, cause, recipe, leg)
) STRICT;
