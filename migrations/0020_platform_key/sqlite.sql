-- The platform key, wrapped under the master key; while the master key is changed, under the present one and the next.
CREATE TABLE platform_key (
    slot INTEGER NOT NULL PRIMARY KEY CHECK (slot IN (0, 1)),
    master_check BLOB NOT NULL CHECK (length(master_check) = 8),
    wrapped BLOB NOT NULL,
    wrapped_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
