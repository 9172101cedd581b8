-- What acquirers told us unasked, stored before it is worked off. Events, not traffic of tenants: found by what makes a repeat.
CREATE TABLE notification (
    id BLOB NOT NULL PRIMARY KEY,
    connector INTEGER NOT NULL,
    payment_id BLOB,
    merchant_order_id TEXT NOT NULL,
    event INTEGER NOT NULL,
    success INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    body TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due_at INTEGER,
    row_version INTEGER NOT NULL
) STRICT;

CREATE INDEX notification_by_time ON notification (due_at) WHERE due_at IS NOT NULL;
