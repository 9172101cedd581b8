-- The disputes of a merchant in the order in which they were heard of, for reports: the id of a dispute may say another time.
CREATE INDEX attempt_of_disputes ON attempt (account_id, created_at) WHERE kind = 7;
