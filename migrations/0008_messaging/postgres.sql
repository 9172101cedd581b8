-- Whom to tell: one row per configured receiver. Secrets are sealed; a deleted receiver keeps its row without them.
CREATE TABLE webhook (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    state BIGINT NOT NULL,
    triggers BIGINT NOT NULL,
    details BYTEA,
    api_key BYTEA,
    secret BYTEA,
    hmac_client_secret BYTEA,
    oauth2_client_secret BYTEA,
    signing_secret BYTEA,
    former_signing_secret BYTEA,
    former_until BIGINT,
    listens_since BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- Per account with receivers: which of them wants which events. Read by every decision that emits an event of the account.
CREATE TABLE webhook_watch (
    account_id UUID NOT NULL PRIMARY KEY,
    receivers BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    row_version BIGINT NOT NULL
);

-- Counts the changes of webhook_watch, so that a process learns with one read whether what it remembers still holds. One row, id 1.
CREATE TABLE webhook_version (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    row_version BIGINT NOT NULL
);
INSERT INTO webhook_version (id, version, row_version) VALUES (1, 0, 0);

-- What happened, as it is told: written once, by the decision that made it happen.
CREATE TABLE webhook_event (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    happened BIGINT NOT NULL,
    subject UUID NOT NULL,
    cause UUID NOT NULL,
    status TEXT NOT NULL,
    body BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- The outbox: one row per event and receiver, until it is confirmed or given up.
CREATE TABLE webhook_delivery (
    account_id UUID NOT NULL,
    event_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    subject UUID NOT NULL,
    happened BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    tries BIGINT NOT NULL CHECK (tries >= 0),
    sends BIGINT NOT NULL CHECK (sends >= 0),
    first_try_at BIGINT,
    next_try_at BIGINT,
    leased_until BIGINT,
    http_status BIGINT,
    trouble BIGINT,
    finished_at BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, event_id, webhook_id)
);

CREATE INDEX webhook_delivery_by_due ON webhook_delivery (webhook_id, next_try_at) WHERE next_try_at IS NOT NULL;

CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook_id, event_id);

CREATE INDEX webhook_delivery_by_event ON webhook_delivery (event_id);

-- The delivery log: one row per request that was sent.
CREATE TABLE webhook_try (
    account_id UUID NOT NULL,
    event_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    http_status BIGINT,
    trouble BIGINT,
    millis BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, event_id, webhook_id, number)
);
