-- What a merchant tells of what became of the goods of a payment: one row per request, never changed.
CREATE TABLE fulfilment (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    id BLOB NOT NULL,
    status INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 1),
    items BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id, number)
) STRICT;

-- How much of it there is, so that the next number is known and the whole stays within its bounds.
CREATE TABLE fulfilment_total (
    account_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    requests INTEGER NOT NULL CHECK (requests >= 1),
    count INTEGER NOT NULL CHECK (count >= 1),
    bytes INTEGER NOT NULL CHECK (bytes >= 1),
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, payment_id)
) STRICT;
