-- One row per answer to a satisfaction survey.
WITH rated AS (
    SELECT *, TRY_CAST(payload->>'$.ratings.default_question' AS INTEGER) AS given FROM raw.satisfaction_ratings
)
SELECT
    rated.id AS source_id,
    rated.payload->>'$.user_id' AS contact_id,
    ticket.payload->>'$.requester.email' AS email,
    ticket.payload->>'$.custom_fields.cf_order_number' AS order_number,
    'csat' AS kind,
    -- From -103, extremely unhappy, over 100, neutral, to 103, extremely happy: seven steps, of which surveys may use
    -- three or five. Old surveys have 1, 2 and 3 for happy, neutral and unhappy.
    CASE
        WHEN rated.given BETWEEN 100 AND 103 THEN rated.given - 96
        WHEN rated.given BETWEEN -103 AND -101 THEN rated.given + 104
        WHEN rated.given BETWEEN 1 AND 3 THEN 9 - 2 * rated.given
    END AS rating,
    7 AS rating_max,
    rated.payload->>'$.feedback' AS comment,
    rated.payload->>'$.created_at' AS submitted_at,
    rated.modified_at AS source_updated_at,
    rated.is_deleted
FROM rated
LEFT JOIN raw.tickets AS ticket ON ticket.id = (rated.payload->>'$.ticket_id')
