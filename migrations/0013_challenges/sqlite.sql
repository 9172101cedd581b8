-- 3-D Secure: a payment that waits for its payer, found by the hash of the token in the address he is sent to.
CREATE TABLE challenge (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    token_hash BLOB NOT NULL,
    tries INTEGER NOT NULL CHECK (tries >= 0),
    expires_at INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;

CREATE INDEX challenge_by_token ON challenge (token_hash);

CREATE INDEX challenge_by_expiry ON challenge (expires_at) WHERE expires_at IS NOT NULL;
