-- The platform key, wrapped under the master key; while the master key is changed, under the present one and the next.
CREATE TABLE platform_key (
    slot BIGINT NOT NULL PRIMARY KEY CHECK (slot IN (0, 1)),
    master_check BYTEA NOT NULL CHECK (octet_length(master_check) = 8),
    wrapped BYTEA NOT NULL,
    wrapped_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL
);
