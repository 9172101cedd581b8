-- Where the counting of a subscription's frequency begins: at which cycle, and how many months and days after its start that one is due.
ALTER TABLE subscription ADD COLUMN anchor_cycle BIGINT NOT NULL DEFAULT 1 CHECK (anchor_cycle >= 1);
ALTER TABLE subscription ADD COLUMN anchor_months BIGINT NOT NULL DEFAULT 0 CHECK (anchor_months >= 0);
ALTER TABLE subscription ADD COLUMN anchor_days BIGINT NOT NULL DEFAULT 0 CHECK (anchor_days >= 0);
