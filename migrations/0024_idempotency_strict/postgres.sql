-- Whether an account refuses a repeat whose body differs from the first one's. Off, as before, unless somebody asks for it.
ALTER TABLE account ADD COLUMN idempotency_strict BOOLEAN NOT NULL DEFAULT FALSE;

-- The access version of an account's last change, so that whoever remembers its keys reads them again; 0 when it was never changed.
ALTER TABLE account ADD COLUMN changed_in BIGINT NOT NULL DEFAULT 0;

CREATE INDEX account_by_change ON account (changed_in);
