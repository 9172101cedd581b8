-- A capture or refund that was asked to be tried again where it fails for now. One row each, written with the intent of the first try;
-- it stays for the record when it is over.
CREATE TABLE retried_operation (
    account_id BLOB NOT NULL,
    attempt_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    first_try_at INTEGER NOT NULL,
    try_id BLOB NOT NULL,
    began_at INTEGER NOT NULL,
    due_at INTEGER,
    earlier TEXT,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
) STRICT;

CREATE INDEX retried_operation_by_time ON retried_operation (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX retried_operation_by_try ON retried_operation (try_id);

-- What is being tried again of one payment; a row from the first failure on.
CREATE TABLE retried_payment (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    captures INTEGER NOT NULL CHECK (captures >= 0),
    refunds INTEGER NOT NULL CHECK (refunds >= 0),
    capture_failed INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;
