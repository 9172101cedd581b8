-- One row per idempotency key within its scope, until its retention ends.
-- Each row is updated once, when its reply comes and makes it a few times larger: the page keeps room for that, so that the
-- update needs no new index entries.
CREATE TABLE claim (
    account_id UUID NOT NULL,
    scope UUID NOT NULL,
    first_seen_at BIGINT NOT NULL,
    body_hash BYTEA NOT NULL,
    subject UUID NOT NULL,
    request_id TEXT NOT NULL,
    status BIGINT NOT NULL,
    owner UUID NOT NULL,
    http_status BIGINT,
    reply BYTEA,
    finished_at BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, scope)
) WITH (fillfactor = 15);

-- Retention and the search for orphans both go by age.
CREATE INDEX claim_by_age ON claim (first_seen_at);
