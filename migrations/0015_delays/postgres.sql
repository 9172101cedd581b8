-- An authorisation that is to be captured or cancelled by itself a while later: what, and after how long.
ALTER TABLE payment ADD COLUMN delay BIGINT;

-- One row per such authorisation once it is approved; it stays for the record when it is over.
CREATE TABLE delayed_operation (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT,
    tries BIGINT NOT NULL CHECK (tries >= 0),
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);

CREATE INDEX delayed_operation_by_time ON delayed_operation (due_at) WHERE due_at IS NOT NULL;
