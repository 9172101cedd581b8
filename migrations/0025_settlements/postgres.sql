-- A file of an acquirer that says what it settled: one row per file, found by its bytes.
CREATE TABLE settlement (
    id UUID NOT NULL PRIMARY KEY,
    connector BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    file_lines BIGINT NOT NULL CHECK (file_lines >= 1),
    began_at BIGINT NOT NULL,
    through BIGINT NOT NULL CHECK (through >= 0),
    matched BIGINT NOT NULL CHECK (matched >= 0),
    differences BIGINT NOT NULL CHECK (differences >= 0),
    booked_at BIGINT,
    row_version BIGINT NOT NULL,
    CHECK (matched + differences <= file_lines)
);

-- What the lines of a file add up to in one currency, in minor units.
CREATE TABLE settlement_total (
    settlement_id UUID NOT NULL,
    currency BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    net BIGINT NOT NULL,
    matched BIGINT NOT NULL,
    differences BIGINT NOT NULL,
    unmatched_net BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (settlement_id, currency),
    CHECK (net + cost = gross)
);

-- What is settled: an attempt, or a fee of the acquirer under the platform's own id. The key is what keeps it from being settled twice.
CREATE TABLE settled (
    account_id UUID NOT NULL,
    attempt_id UUID NOT NULL,
    payment_id UUID,
    settlement_id UUID NOT NULL,
    line BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    reference TEXT,
    currency BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    settled_on BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (account_id, attempt_id)
);

CREATE INDEX settled_by_line ON settled (settlement_id, line);

CREATE INDEX settled_by_reference ON settled (reference) WHERE reference IS NOT NULL;

-- A line that agrees with nothing of ours. Nothing is booked for it.
CREATE TABLE settlement_difference (
    settlement_id UUID NOT NULL,
    line BIGINT NOT NULL,
    difference BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    named TEXT,
    reference TEXT,
    currency BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    settled_on BIGINT NOT NULL,
    account_id UUID,
    attempt_id UUID,
    our_currency BIGINT,
    our_amount BIGINT,
    taken_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    PRIMARY KEY (settlement_id, line)
);

CREATE INDEX difference_by_attempt ON settlement_difference (attempt_id) WHERE attempt_id IS NOT NULL;
