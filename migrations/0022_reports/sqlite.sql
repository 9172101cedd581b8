-- What a report is to list. Its lines are read when it is downloaded. Sets of statuses and types: one bit for each code.
CREATE TABLE report (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    merchant_reference TEXT,
    payment_states INTEGER NOT NULL,
    transaction_kinds INTEGER NOT NULL,
    transaction_states INTEGER NOT NULL,
    currencies TEXT,
    countries TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (start_at <= end_at),
    CHECK (created_at < expires_at)
) STRICT;

CREATE INDEX report_by_expiry ON report (expires_at);
