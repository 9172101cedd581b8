CREATE TABLE purse (
    owner_id BLOB NOT NULL,
    currency INTEGER NOT NULL,
    label TEXT NOT NULL,
    note TEXT,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    open INTEGER NOT NULL,
    stamp BLOB,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (owner_id, currency)
) STRICT;
CREATE UNIQUE INDEX purse_by_label ON purse (owner_id, label);
