-- Acquirers that know nothing of our payments name an attempt of ours, or what they call the charge themselves.
ALTER TABLE notification ADD COLUMN attempt_id BLOB;

ALTER TABLE notification ADD COLUMN reference TEXT;

-- Such an acquirer's charges only: 2 is Stripe.
CREATE INDEX payment_by_attempt ON payment (attempt_id) WHERE connector = 2;

CREATE INDEX asking_by_attempt ON asking (attempt_id);
