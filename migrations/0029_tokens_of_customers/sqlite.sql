-- Whose card a one-time token is, where a customer is known: it cannot be used any more once he is deleted.
ALTER TABLE token ADD COLUMN customer_id BLOB;
