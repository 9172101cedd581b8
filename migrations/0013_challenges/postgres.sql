-- 3-D Secure: a payment that waits for its payer, found by the hash of the token in the address he is sent to.
CREATE TABLE challenge (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    token_hash UUID NOT NULL,
    tries BIGINT NOT NULL CHECK (tries >= 0),
    expires_at BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);

CREATE INDEX challenge_by_token ON challenge (token_hash);

CREATE INDEX challenge_by_expiry ON challenge (expires_at) WHERE expires_at IS NOT NULL;
