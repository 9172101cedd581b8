-- One row per running process: its lease, the mark that fences it, and since when it has work in flight.
CREATE TABLE node (
    boot_id BLOB NOT NULL PRIMARY KEY,
    mark INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    oldest_work_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
-- The sandbox clock: how far platform time is ahead of database time. One row, id 1; no row means no offset.
CREATE TABLE platform_clock (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    offset_micros INTEGER NOT NULL CHECK (offset_micros >= 0),
    row_version INTEGER NOT NULL
) STRICT;
INSERT INTO platform_clock (id, offset_micros, row_version) VALUES (1, 0, 0);
-- Sources of 64-bit numbers, handed out in blocks.
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    next_number INTEGER NOT NULL,
    row_version INTEGER NOT NULL
) STRICT;
