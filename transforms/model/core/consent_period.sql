-- One row per customer, channel and stretch of time in which the consent stood as it was.
WITH word AS (
    SELECT
        customer_id,
        channel,
        is_granted,
        legal_basis,
        occurred_at,
        row_number() OVER (
            PARTITION BY customer_id, channel, occurred_at
            -- A withdrawal at the same moment wins: when in doubt, do not write.
            ORDER BY is_granted, source, source_id
        ) AS precedence
    FROM core.consent
    WHERE customer_id IS NOT NULL
),
compared AS (
    SELECT
        word.*,
        lag(occurred_at) OVER (PARTITION BY customer_id, channel ORDER BY occurred_at) AS said_before_at,
        lag(is_granted) OVER (PARTITION BY customer_id, channel ORDER BY occurred_at) AS was_granted,
        lag(legal_basis) OVER (PARTITION BY customer_id, channel ORDER BY occurred_at) AS legal_basis_before
    FROM word
    WHERE precedence = 1
),
-- Who says the same again changes nothing.
turn AS (
    SELECT
        customer_id,
        channel,
        is_granted,
        legal_basis,
        occurred_at,
        lead(occurred_at) OVER (PARTITION BY customer_id, channel ORDER BY occurred_at) AS next_at
    FROM compared
    WHERE
        said_before_at IS NULL
        OR is_granted <> was_granted
        OR legal_basis IS DISTINCT FROM legal_basis_before
)
SELECT
    customer_id,
    channel,
    is_granted,
    legal_basis,
    occurred_at AS valid_from,
    next_at AS valid_to,
    next_at IS NULL AS is_current
FROM turn
