-- One row per subscription.
SELECT
    id AS source_id,
    customer_id AS contact_id,
    customer_email AS email,
    plan,
    CASE status WHEN 'canceled' THEN 'cancelled' ELSE status END AS status,
    TRY_CAST(amount AS DECIMAL(18, 4)) / 100 AS amount,
    currency,
    "interval",
    to_timestamp(TRY_CAST("start" AS BIGINT)) AS started_at,
    to_timestamp(TRY_CAST(canceled_at AS BIGINT)) AS cancelled_at
FROM raw.subscriptions
