CREATE TABLE purse (
    owner_id UUID NOT NULL,
    currency BIGINT NOT NULL,
    label TEXT NOT NULL,
    note TEXT,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    open BOOLEAN NOT NULL,
    stamp BYTEA,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (owner_id, currency)
);
CREATE UNIQUE INDEX purse_by_label ON purse (owner_id, label);
