-- An authorisation that is to be captured or cancelled by itself a while later: what, and after how long.
ALTER TABLE payment ADD COLUMN delay INTEGER;

-- One row per such authorisation once it is approved; it stays for the record when it is over.
CREATE TABLE delayed_operation (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    tries INTEGER NOT NULL CHECK (tries >= 0),
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;

CREATE INDEX delayed_operation_by_time ON delayed_operation (due_at) WHERE due_at IS NOT NULL;
