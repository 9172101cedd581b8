-- Tenants, their access keys and the secrets of those keys.
CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL CHECK (number > 0),
    country TEXT NOT NULL,
    currency INTEGER NOT NULL,
    sealed_fingerprint_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    owner_email TEXT NOT NULL,
    fee_basis_points INTEGER NOT NULL CHECK (fee_basis_points >= 0),
    fee_fixed_minor INTEGER NOT NULL CHECK (fee_fixed_minor >= 0),
    negative_limit_minor INTEGER NOT NULL CHECK (negative_limit_minor >= 0),
    row_version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_by_number ON account (number);
CREATE INDEX account_by_owner_email ON account (owner_email);
CREATE TABLE access_key (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    token TEXT NOT NULL,
    environment INTEGER NOT NULL,
    name TEXT NOT NULL,
    permission INTEGER NOT NULL,
    requests_per_minute INTEGER CHECK (requests_per_minute > 0),
    allowed_ips TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    changed_in INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX access_key_by_token ON access_key (token);
CREATE INDEX access_key_by_account ON access_key (account_id);
CREATE INDEX access_key_by_change ON access_key (changed_in);
-- At most two secrets of one key at a time: the present one, and its predecessor until valid_until.
CREATE TABLE access_secret (
    key_id BLOB NOT NULL,
    secret_id BLOB NOT NULL,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    sealed_secret BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    valid_until INTEGER,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (key_id, secret_id)
) STRICT;
CREATE UNIQUE INDEX access_secret_by_hash ON access_secret (secret_hash);
-- Counts the changes of keys, so that a process learns with one read whether what it remembers still holds. One row, id 1.
CREATE TABLE access_version (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
INSERT INTO access_version (id, version, row_version) VALUES (1, 0, 0);
