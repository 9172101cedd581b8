-- Tenants, their access keys and the secrets of those keys.
CREATE TABLE account (
    id UUID NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL CHECK (number > 0),
    country TEXT NOT NULL,
    currency BIGINT NOT NULL,
    sealed_fingerprint_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    owner_email TEXT NOT NULL,
    fee_basis_points BIGINT NOT NULL CHECK (fee_basis_points >= 0),
    fee_fixed_minor BIGINT NOT NULL CHECK (fee_fixed_minor >= 0),
    negative_limit_minor BIGINT NOT NULL CHECK (negative_limit_minor >= 0),
    row_version BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_by_number ON account (number);
CREATE INDEX account_by_owner_email ON account (owner_email);
CREATE TABLE access_key (
    id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL,
    token TEXT NOT NULL,
    environment BIGINT NOT NULL,
    name TEXT NOT NULL,
    permission BIGINT NOT NULL,
    requests_per_minute BIGINT CHECK (requests_per_minute > 0),
    allowed_ips TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    disabled BOOLEAN NOT NULL,
    changed_in BIGINT NOT NULL,
    row_version BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_key_by_token ON access_key (token);
CREATE INDEX access_key_by_account ON access_key (account_id);
CREATE INDEX access_key_by_change ON access_key (changed_in);
-- At most two secrets of one key at a time: the present one, and its predecessor until valid_until.
CREATE TABLE access_secret (
    key_id UUID NOT NULL,
    secret_id UUID NOT NULL,
    secret_hash BYTEA NOT NULL CHECK (octet_length(secret_hash) = 32),
    sealed_secret BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    valid_until BIGINT,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (key_id, secret_id)
);
CREATE UNIQUE INDEX access_secret_by_hash ON access_secret (secret_hash);
-- Counts the changes of keys, so that a process learns with one read whether what it remembers still holds. One row, id 1.
CREATE TABLE access_version (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    row_version BIGINT NOT NULL
);
INSERT INTO access_version (id, version, row_version) VALUES (1, 0, 0);
