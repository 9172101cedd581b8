-- One row per idempotency key within its scope, until its retention ends.
CREATE TABLE claim (
    account_id BLOB NOT NULL,
    scope BLOB NOT NULL,
    first_seen_at INTEGER NOT NULL,
    body_hash BLOB NOT NULL,
    subject BLOB NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    owner BLOB NOT NULL,
    http_status INTEGER,
    reply BLOB,
    finished_at INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, scope)
) STRICT;

-- Retention and the search for orphans both go by age.
CREATE INDEX claim_by_age ON claim (first_seen_at);
