-- What acquirers told us unasked, stored before it is worked off. Events, not traffic of tenants: found by what makes a repeat.
CREATE TABLE notification (
    id UUID NOT NULL PRIMARY KEY,
    connector BIGINT NOT NULL,
    payment_id UUID,
    merchant_order_id TEXT NOT NULL,
    event BIGINT NOT NULL,
    success BOOLEAN NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    body TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    due_at BIGINT,
    row_version BIGINT NOT NULL
);

CREATE INDEX notification_by_time ON notification (due_at) WHERE due_at IS NOT NULL;
