//! What `verify` reads: whole tables, joined with what they must agree with.

use db::{Sql, sql};
use idempotency::ClaimRow;

use crate::payouts::PayoutRow;
use crate::rows::{AskingRow, AttemptRow, PaymentRow};

pub(super) static QUESTIONS: Sql = sql!("SELECT {} FROM asking", AskingRow);

// $1 capture, $2 cancel, $3 refund; $4 and $5 the open states, $6 succeeded; $7 … $12 the recipes in the order of `Posted`; $13 disputed, $14 lost; $15 the fees' kind of account; $16 waiting, which reserves as well.
pub(super) static PAYMENTS_WITH_TOTALS: Sql = sql!(
    "SELECT {},
            COALESCE(a_captured, 0), COALESCE(a_capturing, 0), COALESCE(a_voided, 0), COALESCE(a_refunded, 0),
            COALESCE(a_refunding, 0), COALESCE(a_open, 0), COALESCE(t_held, 0), COALESCE(t_released, 0),
            COALESCE(t_taken, 0), COALESCE(t_started, 0), COALESCE(t_done, 0), COALESCE(t_failed, 0), q_attempt,
            COALESCE(a_disputed, 0), COALESCE(a_lost, 0), COALESCE(a_fees, 0), COALESCE(t_fees, 0)
       FROM payment
       LEFT JOIN (
            SELECT account_id AS a_account, payment_id AS a_payment,
                   CAST(SUM(CASE WHEN kind = $1 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_captured,
                   CAST(SUM(CASE WHEN kind IN ($1, $2) AND state IN ($4, $5, $16) THEN amount ELSE 0 END) AS BIGINT) AS a_capturing,
                   CAST(SUM(CASE WHEN kind = $2 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_voided,
                   CAST(SUM(CASE WHEN kind = $3 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_refunded,
                   CAST(SUM(CASE WHEN kind = $3 AND state IN ($4, $5, $16) THEN amount ELSE 0 END) AS BIGINT) AS a_refunding,
                   CAST(SUM(CASE WHEN state IN ($4, $5) THEN 1 ELSE 0 END) AS BIGINT) AS a_open,
                   CAST(SUM(CASE WHEN state = $13 THEN amount ELSE 0 END) AS BIGINT) AS a_disputed,
                   CAST(SUM(CASE WHEN state = $14 THEN amount ELSE 0 END) AS BIGINT) AS a_lost,
                   CAST(SUM(CASE WHEN kind = $1 AND state = $6 THEN fee ELSE 0 END) AS BIGINT) AS a_fees
              FROM attempt GROUP BY account_id, payment_id) AS a
         ON a_account = account_id AND a_payment = id
       LEFT JOIN (
            SELECT account_id AS t_account, subject AS t_subject,
                   CAST(SUM(CASE WHEN recipe = $7 THEN amount ELSE 0 END) AS BIGINT) AS t_held,
                   CAST(SUM(CASE WHEN recipe = $8 THEN amount ELSE 0 END) AS BIGINT) AS t_released,
                   CAST(SUM(CASE WHEN recipe = $9 THEN amount ELSE 0 END) AS BIGINT) AS t_taken,
                   CAST(SUM(CASE WHEN recipe = $10 THEN amount ELSE 0 END) AS BIGINT) AS t_started,
                   CAST(SUM(CASE WHEN recipe = $11 THEN amount ELSE 0 END) AS BIGINT) AS t_done,
                   CAST(SUM(CASE WHEN recipe = $12 THEN amount ELSE 0 END) AS BIGINT) AS t_failed,
                   CAST(SUM(CASE WHEN recipe = $9 AND credit_kind = $15 THEN amount ELSE 0 END) AS BIGINT) AS t_fees
              FROM transfer GROUP BY account_id, subject) AS t
         ON t_account = account_id AND t_subject = id
       LEFT JOIN (SELECT account_id AS q_account, attempt_id AS q_attempt FROM asking) AS q
         ON q_account = account_id AND q_attempt = attempt_id
      ORDER BY account_id, id",
    PaymentRow
);

pub(super) static LATER_ATTEMPTS: Sql = sql!(
    "SELECT {}, p_amount, COALESCE(r_sum, 0), q_attempt, p_currency
       FROM attempt
       LEFT JOIN (SELECT account_id AS p_account, id AS p_id, amount AS p_amount, currency AS p_currency FROM payment) AS p
         ON p_account = account_id AND p_id = payment_id
       LEFT JOIN (
            SELECT account_id AS r_account, named AS r_named, CAST(SUM(amount) AS BIGINT) AS r_sum
              FROM attempt WHERE kind = $1 AND state IN ($2, $3, $4, $5) GROUP BY account_id, named) AS r
         ON r_account = account_id AND r_named = id
       LEFT JOIN (SELECT account_id AS q_account, attempt_id AS q_attempt FROM asking) AS q
         ON q_account = account_id AND q_attempt = id
      ORDER BY account_id, id",
    AttemptRow
);

pub(super) static IDS_USED_TWICE: Sql = sql!(
    "SELECT one, CAST(COUNT(*) AS BIGINT) FROM (
        SELECT id AS one FROM payment UNION ALL SELECT attempt_id FROM payment UNION ALL SELECT id FROM attempt
        UNION ALL SELECT id FROM payout UNION ALL SELECT attempt_id FROM payout) AS every
      GROUP BY one HAVING COUNT(*) > 1 ORDER BY one"
);

// In the order of the table: that of the key leads to another page for each claim.
pub(super) static CLAIMS_WITH_EFFECTS: Sql = sql!(
    "SELECT {}, p_attempt, p_amount, p_currency, a_state, a_amount, a_currency, a_form, a_payment, s_id, c_id, w_id, p_origin,
            o_state, o_amount, o_currency, l_amount, l_currency, u_id, f_id, r_id
       FROM claim
       LEFT JOIN (SELECT account_id AS p_account, id AS p_id, attempt AS p_attempt, amount AS p_amount, currency AS p_currency,
                         origin AS p_origin FROM payment) AS p ON p_account = account_id AND p_id = subject
       LEFT JOIN (SELECT account_id AS a_account, id AS a_id, state AS a_state, amount AS a_amount, currency AS a_currency,
                         form AS a_form, payment_id AS a_payment FROM attempt) AS a ON a_account = account_id AND a_id = subject
       LEFT JOIN (SELECT account_id AS s_account, id AS s_id FROM checkout_session
                  UNION ALL SELECT account_id, id FROM customer
                  UNION ALL SELECT account_id, id FROM customer_session
                  UNION ALL SELECT account_id, id FROM token
                  UNION ALL SELECT account_id, id FROM payment_method
                  UNION ALL SELECT account_id, id FROM report) AS s
         ON s_account = account_id AND s_id = subject
       LEFT JOIN (SELECT account_id AS c_account, payment_id AS c_id FROM challenge) AS c
         ON c_account = account_id AND c_id = subject
       LEFT JOIN (SELECT account_id AS w_account, id AS w_id FROM webhook) AS w ON w_account = account_id AND w_id = subject
       LEFT JOIN (SELECT account_id AS o_account, id AS o_id, state AS o_state, amount AS o_amount, currency AS o_currency
                    FROM payout) AS o ON o_account = account_id AND o_id = subject
       LEFT JOIN (SELECT account_id AS l_account, id AS l_id, amount AS l_amount, currency AS l_currency
                    FROM payment_link) AS l ON l_account = account_id AND l_id = subject
       LEFT JOIN (SELECT account_id AS u_account, id AS u_id FROM subscription) AS u
         ON u_account = account_id AND u_id = subject
       LEFT JOIN (SELECT account_id AS f_account, id AS f_id FROM fulfilment) AS f ON f_account = account_id AND f_id = subject
       LEFT JOIN (SELECT account_id AS r_account, attempt_id AS r_id FROM retried_operation WHERE earlier IS NOT NULL) AS r
         ON r_account = account_id AND r_id = subject",
    ClaimRow
);

// A claim that finished late outlives its retention, never the other way round.
pub(super) static EFFECTS_WITHOUT_CLAIM: Sql = sql!(
    "SELECT account_id, id FROM payment WHERE origin = $1 AND attempt <> $2 AND created_at > $3
      UNION ALL
     SELECT account_id, id FROM attempt WHERE origin = $1 AND state <> $2 AND created_at > $3
      UNION ALL
     SELECT account_id, id FROM payout WHERE state <> $2 AND created_at > $3
     EXCEPT
     SELECT account_id, subject FROM claim"
);

// $1 cancel, $2 succeeded, $3 and $4 the open states.
pub(super) static FIRST_ATTEMPTS: Sql = sql!(
    "SELECT {}, COALESCE(a_voided, 0), COALESCE(a_open, 0)
       FROM payment
       LEFT JOIN (
            SELECT account_id AS a_account, payment_id AS a_payment,
                   CAST(SUM(CASE WHEN kind = $1 AND state = $2 THEN amount ELSE 0 END) AS BIGINT) AS a_voided,
                   CAST(SUM(CASE WHEN state IN ($3, $4) THEN 1 ELSE 0 END) AS BIGINT) AS a_open
              FROM attempt GROUP BY account_id, payment_id) AS a
         ON a_account = account_id AND a_payment = id
      ORDER BY account_id, id",
    PaymentRow
);

// What notifications changed: $1 done, $2 … $4 those about disputes, $5 what disputes are kept as.
pub(super) static DISPUTES_ASTRAY: Sql = sql!(
    "SELECT attempt_id FROM notification AS n
      WHERE state = $1 AND event IN ($2, $3, $4) AND attempt_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.id = n.attempt_id AND a.kind = $5)
      ORDER BY id"
);

pub(super) static PAYOUTS: Sql = sql!("SELECT {} FROM payout ORDER BY account_id, id", PayoutRow);

// Every change that receivers of webhooks are told of, beside every receiver of its account, and how often that one was told of it. What
// is compared is the present status: of an attempt (0, by mode; 1, by kind), a payout (2), a stored method (3), a subscription (4); and
// that a subscription was made (5), that a renewal was announced (6), that a hold has lapsed (7). A word that is missing is any word.
// $1 … $4 the origins that are told; $5 succeeded, $6 declined, $7 errored, $8 expired, $9 disputed, $10 won, $11 lost; of methods $12
// enrolled, $13 declined, $14 error, $15 unenrolled; $16 a cancelled payment, $17 the kind of a cancel; $18 active, $19 what a new receiver
// may miss, $20 how far the log reaches back.
pub(super) static TOLD: Sql = sql!(
    "SELECT one, class, code, w_id, w_triggers, COALESCE(d_count, 0), d_event
       FROM (SELECT account_id AS account, attempt_id AS one, answered_at AS at, CAST(0 AS BIGINT) AS class, mode AS code,
                    CASE attempt WHEN $5 THEN 'SUCCEEDED' WHEN $6 THEN 'DECLINED' WHEN $7 THEN 'ERROR' ELSE 'EXPIRED' END AS word,
                    CAST(NULL AS UUID) AS only_to
               FROM payment WHERE origin IN ($1, $2, $3, $4) AND attempt IN ($5, $6, $7, $8)
              UNION ALL
             SELECT attempt.account_id, attempt.id, attempt.updated_at, 1, attempt.kind,
                    CASE attempt.state WHEN $5 THEN 'SUCCEEDED' WHEN $6 THEN 'DECLINED' WHEN $7 THEN 'ERROR' WHEN $9 THEN 'PENDING'
                                       WHEN $10 THEN 'WON' ELSE 'LOST' END, NULL
               FROM attempt
               JOIN payment ON payment.account_id = attempt.account_id AND payment.id = attempt.payment_id
              WHERE payment.origin IN ($1, $2, $3, $4) AND attempt.state IN ($5, $6, $7, $9, $10, $11)
              UNION ALL
             SELECT account_id, attempt_id, updated_at, 2, 0,
                    CASE state WHEN $5 THEN 'SUCCEEDED' WHEN $6 THEN 'DECLINED' ELSE 'ERROR' END, NULL
               FROM payout WHERE state IN ($5, $6, $7)
              UNION ALL
             SELECT account_id, id, reached_at, 3, status,
                    CASE status WHEN $12 THEN 'ENROLLED' WHEN $13 THEN 'DECLINED' WHEN $14 THEN 'ERROR' ELSE 'UNENROLLED' END, NULL
               FROM payment_method WHERE status IN ($12, $13, $14, $15)
              UNION ALL
             SELECT account_id, change_id, changed_at, 4, changed_to, NULL, NULL FROM subscription WHERE change_id IS NOT NULL
              UNION ALL
             SELECT account_id, id, created_at, 5, 0, NULL, NULL FROM subscription
              UNION ALL
             SELECT account_id, notice_id, told_at, 6, 0, NULL, webhook_id FROM renewal_notice
              UNION ALL
             SELECT account_id, attempt_id, updated_at, 7, 0, 'CANCELED', NULL
               FROM payment
              WHERE state = $16 AND origin IN ($1, $2, $3, $4)
                AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.account_id = payment.account_id
                                   AND attempt.payment_id = payment.id AND attempt.kind = $17 AND attempt.state = $5)) AS changes
       JOIN (SELECT account_id AS w_account, id AS w_id, triggers AS w_triggers, listens_since AS w_since FROM webhook
              WHERE state = $18) AS w
         ON w_account = account AND (only_to IS NULL OR w_id = only_to)
       LEFT JOIN (
            SELECT e.account_id AS d_account, e.cause AS d_cause, e.status AS d_word, d.webhook_id AS d_webhook,
                   CAST(COUNT(*) AS BIGINT) AS d_count, CAST(MAX(e.happened) AS BIGINT) AS d_event
              FROM webhook_event AS e
              JOIN webhook_delivery AS d ON d.account_id = e.account_id AND d.event_id = e.id
             GROUP BY e.account_id, e.cause, e.status, d.webhook_id) AS told
         ON d_account = account AND d_cause = one AND (word IS NULL OR d_word = word) AND d_webhook = w_id
      WHERE at > w_since + $19 AND at > $20"
);
