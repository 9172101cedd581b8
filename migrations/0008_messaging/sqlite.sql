-- Whom to tell: one row per configured receiver. Secrets are sealed; a deleted receiver keeps its row without them.
CREATE TABLE webhook (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    state INTEGER NOT NULL,
    triggers INTEGER NOT NULL,
    details BLOB,
    api_key BLOB,
    secret BLOB,
    hmac_client_secret BLOB,
    oauth2_client_secret BLOB,
    signing_secret BLOB,
    former_signing_secret BLOB,
    former_until INTEGER,
    listens_since INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

-- Per account with receivers: which of them wants which events. Read by every decision that emits an event of the account.
CREATE TABLE webhook_watch (
    account_id BLOB NOT NULL PRIMARY KEY,
    receivers BLOB NOT NULL,
    revision INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;

-- Counts the changes of webhook_watch, so that a process learns with one read whether what it remembers still holds. One row, id 1.
CREATE TABLE webhook_version (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
INSERT INTO webhook_version (id, version, row_version) VALUES (1, 0, 0);

-- What happened, as it is told: written once, by the decision that made it happen.
CREATE TABLE webhook_event (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    happened INTEGER NOT NULL,
    subject BLOB NOT NULL,
    cause BLOB NOT NULL,
    status TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

-- The outbox: one row per event and receiver, until it is confirmed or given up.
CREATE TABLE webhook_delivery (
    account_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    webhook_id BLOB NOT NULL,
    subject BLOB NOT NULL,
    happened INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    tries INTEGER NOT NULL CHECK (tries >= 0),
    sends INTEGER NOT NULL CHECK (sends >= 0),
    first_try_at INTEGER,
    next_try_at INTEGER,
    leased_until INTEGER,
    http_status INTEGER,
    trouble INTEGER,
    finished_at INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, event_id, webhook_id)
) STRICT;

CREATE INDEX webhook_delivery_by_due ON webhook_delivery (webhook_id, next_try_at) WHERE next_try_at IS NOT NULL;

CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook_id, event_id);

CREATE INDEX webhook_delivery_by_event ON webhook_delivery (event_id);

-- The delivery log: one row per request that was sent.
CREATE TABLE webhook_try (
    account_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    webhook_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    http_status INTEGER,
    trouble INTEGER,
    millis INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, event_id, webhook_id, number)
) STRICT;
