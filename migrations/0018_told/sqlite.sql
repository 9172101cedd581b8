-- What receivers of webhooks are told of besides payments. Rows from before know nothing of their last change, and owe nobody a word.
ALTER TABLE payment_method ADD COLUMN reached_at INTEGER;

ALTER TABLE subscription ADD COLUMN change_id BLOB;

ALTER TABLE subscription ADD COLUMN changed_at INTEGER;

ALTER TABLE subscription ADD COLUMN changed_to INTEGER;

CREATE INDEX subscription_by_next ON subscription (next_at) WHERE next_at IS NOT NULL;

-- The last cycle of whose renewal a receiver was told.
CREATE TABLE renewal_notice (
    account_id BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    webhook_id BLOB NOT NULL,
    cycle INTEGER NOT NULL CHECK (cycle >= 2),
    notice_id BLOB NOT NULL,
    told_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, subscription_id, webhook_id)
) STRICT;
