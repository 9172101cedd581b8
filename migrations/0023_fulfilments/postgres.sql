-- What a merchant tells of what became of the goods of a payment: one row per request, never changed.
CREATE TABLE fulfilment (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    number BIGINT NOT NULL CHECK (number >= 1),
    id UUID NOT NULL,
    status BIGINT NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 1),
    items BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id, number)
);

-- How much of it there is, so that the next number is known and the whole stays within its bounds.
CREATE TABLE fulfilment_total (
    account_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    requests BIGINT NOT NULL CHECK (requests >= 1),
    count BIGINT NOT NULL CHECK (count >= 1),
    bytes BIGINT NOT NULL CHECK (bytes >= 1),
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, payment_id)
);
