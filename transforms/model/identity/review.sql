-- One row per uncertain pair of records that nobody has decided about.
WITH put_off AS (
    SELECT record_left, record_right, max(decided_at) AS put_off_at
    FROM meta.decision
    WHERE verdict = 'later' AND undone_at IS NULL
    GROUP BY record_left, record_right
),
settled AS (
    SELECT one.customer_id AS left_customer_id, other.customer_id AS right_customer_id
    FROM identity.decision AS decision
    INNER JOIN identity.assignment AS one ON one.record_id = decision.record_left
    INNER JOIN identity.assignment AS other ON other.record_id = decision.record_right
    WHERE decision.state = 'in_force'
),
pair AS (
    SELECT
        uncertain.left_record,
        uncertain.right_record,
        one.customer_id AS left_customer_id,
        other.customer_id AS right_customer_id,
        one.customer_id = other.customer_id AS is_one_customer,
        uncertain.probability,
        uncertain.for_evidence,
        uncertain.against_evidence,
        put_off.put_off_at
    FROM identity.uncertain_pair AS uncertain
    INNER JOIN identity.assignment AS one ON one.record_id = uncertain.left_record
    INNER JOIN identity.assignment AS other ON other.record_id = uncertain.right_record
    LEFT JOIN put_off
        ON put_off.record_left = uncertain.left_record AND put_off.record_right = uncertain.right_record
)
SELECT
    row_number() OVER (
        ORDER BY put_off_at NULLS FIRST, abs(probability - 0.5), left_record, right_record
    ) AS position,
    left_record,
    right_record,
    left_customer_id,
    right_customer_id,
    is_one_customer,
    probability,
    for_evidence,
    against_evidence,
    put_off_at
FROM pair
-- What somebody decided about two records settles it for all records of their customers.
WHERE NOT EXISTS (
    SELECT 1 FROM settled
    WHERE (settled.left_customer_id = pair.left_customer_id
            AND settled.right_customer_id = pair.right_customer_id)
        OR (settled.left_customer_id = pair.right_customer_id
            AND settled.right_customer_id = pair.left_customer_id)
)
