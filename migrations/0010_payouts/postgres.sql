CREATE TABLE payout (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    attempt_id UUID NOT NULL,
    merchant_reference TEXT NOT NULL,
    country TEXT NOT NULL,
    currency BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    fee BIGINT NOT NULL CHECK (fee BETWEEN 0 AND amount),
    connector BIGINT NOT NULL,
    details BYTEA,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    response TEXT,
    updated_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- One row per name a merchant has given to a payout. It goes with a payout that is proven never to have left the house.
CREATE TABLE payout_reference (
    account_id UUID NOT NULL,
    merchant_reference TEXT NOT NULL,
    payout_id UUID NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, merchant_reference)
);
