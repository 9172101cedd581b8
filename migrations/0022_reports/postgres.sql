-- What a report is to list. Its lines are read when it is downloaded. Sets of statuses and types: one bit for each code.
CREATE TABLE report (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    kind BIGINT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    merchant_reference TEXT,
    payment_states BIGINT NOT NULL,
    transaction_kinds BIGINT NOT NULL,
    transaction_states BIGINT NOT NULL,
    currencies TEXT,
    countries TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (start_at <= end_at),
    CHECK (created_at < expires_at)
);

CREATE INDEX report_by_expiry ON report (expires_at);
