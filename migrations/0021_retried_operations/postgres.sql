-- A capture or refund that was asked to be tried again where it fails for now. One row each, written with the intent of the first try;
-- it stays for the record when it is over.
CREATE TABLE retried_operation (
    account_id UUID NOT NULL,
    attempt_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    first_try_at BIGINT NOT NULL,
    try_id UUID NOT NULL,
    began_at BIGINT NOT NULL,
    due_at BIGINT,
    earlier TEXT,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
);

CREATE INDEX retried_operation_by_time ON retried_operation (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX retried_operation_by_try ON retried_operation (try_id);

-- What is being tried again of one payment; a row from the first failure on.
CREATE TABLE retried_payment (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    captures BIGINT NOT NULL CHECK (captures >= 0),
    refunds BIGINT NOT NULL CHECK (refunds >= 0),
    capture_failed BOOLEAN NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);
