-- What a charge whose payer must be authenticated comes to once he is.
ALTER TABLE received ADD COLUMN after_challenge BIGINT;
