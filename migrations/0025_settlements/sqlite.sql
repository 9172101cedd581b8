-- A file of an acquirer that says what it settled: one row per file, found by its bytes.
CREATE TABLE settlement (
    id BLOB NOT NULL PRIMARY KEY,
    connector INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    file_lines INTEGER NOT NULL CHECK (file_lines >= 1),
    began_at INTEGER NOT NULL,
    through INTEGER NOT NULL CHECK (through >= 0),
    matched INTEGER NOT NULL CHECK (matched >= 0),
    differences INTEGER NOT NULL CHECK (differences >= 0),
    booked_at INTEGER,
    row_version INTEGER NOT NULL,
    CHECK (matched + differences <= file_lines)
) STRICT;

-- What the lines of a file add up to in one currency, in minor units.
CREATE TABLE settlement_total (
    settlement_id BLOB NOT NULL,
    currency INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    net INTEGER NOT NULL,
    matched INTEGER NOT NULL,
    differences INTEGER NOT NULL,
    unmatched_net INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, currency),
    CHECK (net + cost = gross)
) STRICT;

-- What is settled: an attempt, or a fee of the acquirer under the platform's own id. The key is what keeps it from being settled twice.
CREATE TABLE settled (
    account_id BLOB NOT NULL,
    attempt_id BLOB NOT NULL,
    payment_id BLOB,
    settlement_id BLOB NOT NULL,
    line INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    reference TEXT,
    currency INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    settled_on INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
) STRICT;

CREATE INDEX settled_by_line ON settled (settlement_id, line);

CREATE INDEX settled_by_reference ON settled (reference) WHERE reference IS NOT NULL;

-- A line that agrees with nothing of ours. Nothing is booked for it.
CREATE TABLE settlement_difference (
    settlement_id BLOB NOT NULL,
    line INTEGER NOT NULL,
    difference INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    named TEXT,
    reference TEXT,
    currency INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    settled_on INTEGER NOT NULL,
    account_id BLOB,
    attempt_id BLOB,
    our_currency INTEGER,
    our_amount INTEGER,
    taken_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, line)
) STRICT;

CREATE INDEX difference_by_attempt ON settlement_difference (attempt_id) WHERE attempt_id IS NOT NULL;
