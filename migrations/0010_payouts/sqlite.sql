CREATE TABLE payout (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    attempt_id BLOB NOT NULL,
    merchant_reference TEXT NOT NULL,
    country TEXT NOT NULL,
    currency INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND amount),
    connector INTEGER NOT NULL,
    details BLOB,
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    response TEXT,
    updated_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

-- One row per name a merchant has given to a payout. It goes with a payout that is proven never to have left the house.
CREATE TABLE payout_reference (
    account_id BLOB NOT NULL,
    merchant_reference TEXT NOT NULL,
    payout_id BLOB NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, merchant_reference)
) STRICT;
