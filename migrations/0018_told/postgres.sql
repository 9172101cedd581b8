-- What receivers of webhooks are told of besides payments. Rows from before know nothing of their last change, and owe nobody a word.
ALTER TABLE payment_method ADD COLUMN reached_at BIGINT;

ALTER TABLE subscription ADD COLUMN change_id UUID;

ALTER TABLE subscription ADD COLUMN changed_at BIGINT;

ALTER TABLE subscription ADD COLUMN changed_to BIGINT;

CREATE INDEX subscription_by_next ON subscription (next_at) WHERE next_at IS NOT NULL;

-- The last cycle of whose renewal a receiver was told.
CREATE TABLE renewal_notice (
    account_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    cycle BIGINT NOT NULL CHECK (cycle >= 2),
    notice_id UUID NOT NULL,
    told_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, subscription_id, webhook_id)
);
