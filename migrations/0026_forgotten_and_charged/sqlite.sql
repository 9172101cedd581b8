-- Where the forgetting of a deleted customer's payments goes on; absent while he lives, and when it is over.
ALTER TABLE customer ADD COLUMN forget_after BLOB;

CREATE INDEX customer_to_forget ON customer (deleted_at) WHERE forget_after IS NOT NULL;

-- Which recorded replies show a customer, for as long as they can be repeated.
CREATE TABLE customer_reply (
    account_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    scope BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    PRIMARY KEY (account_id, customer_id, scope)
) STRICT;

CREATE INDEX customer_reply_by_age ON customer_reply (recorded_at);

CREATE INDEX payment_by_customer ON payment (customer_id, id) WHERE customer_id IS NOT NULL;

-- What each account was charged so far (kind 15), as its transfers to the platform's fees (kind 12) have it.
INSERT INTO ledger_account (owner_id, kind, currency, debits, credits, sequence, row_version)
SELECT account_id, 15, currency, 0, SUM(amount), COUNT(*), 0
  FROM transfer WHERE credit_kind = 12 GROUP BY account_id, currency;
