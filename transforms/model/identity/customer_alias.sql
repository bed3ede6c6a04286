-- One row per customer id in use, or ever merged or split.
WITH RECURSIVE in_use AS (
    SELECT DISTINCT customer_id FROM identity.assignment
),
ever AS (
    SELECT customer_id FROM in_use
    UNION
    SELECT old_customer_id FROM identity.history
    UNION
    SELECT new_customer_id FROM identity.history
),
last_merge AS (
    SELECT old_customer_id, new_customer_id, happened_at
    FROM (
        SELECT
            history.old_customer_id,
            history.new_customer_id,
            history.happened_at,
            row_number() OVER (
                PARTITION BY history.old_customer_id ORDER BY history.happened_at DESC, history.new_customer_id
            ) AS recency
        FROM identity.history AS history
        LEFT JOIN in_use ON in_use.customer_id = history.old_customer_id
        WHERE history.kind = 'merged' AND in_use.customer_id IS NULL
    ) AS merge
    WHERE recency = 1
),
-- Each step goes on in time, so that ids merged into each other by turns make no circle.
step AS (
    SELECT customer_id, customer_id AS reached, CAST(NULL AS TIMESTAMPTZ) AS happened_at FROM ever
    UNION ALL
    SELECT step.customer_id, last_merge.new_customer_id, last_merge.happened_at
    FROM step
    INNER JOIN last_merge ON last_merge.old_customer_id = step.reached
    WHERE step.happened_at IS NULL OR last_merge.happened_at > step.happened_at
)
SELECT
    step.customer_id,
    max(in_use.customer_id) AS current_customer_id,
    coalesce(max(in_use.customer_id) = step.customer_id, FALSE) AS is_current
FROM step
LEFT JOIN in_use ON in_use.customer_id = step.reached
GROUP BY step.customer_id
