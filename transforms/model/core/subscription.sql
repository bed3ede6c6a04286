-- One row per recurring contract.
WITH dated AS (
    SELECT
        subscription.*,
        CAST(subscription.started_at AT TIME ZONE night.timezone AS DATE) AS started_date,
        CAST(subscription.cancelled_at AT TIME ZONE night.timezone AS DATE) AS cancelled_date,
        night.base_currency,
        night.as_of
    FROM clean.subscription AS subscription
    CROSS JOIN meta.night AS night
    WHERE NOT subscription.is_deleted
),
priced AS (
    SELECT
        subscription.*,
        coalesce(by_contact.customer_id, by_email.customer_id) AS customer_id,
        subscription.currency = subscription.base_currency AS is_base,
        fx.rate
    FROM dated AS subscription
    LEFT JOIN identity.assignment AS by_contact
        ON by_contact.record_id = 'contact:' || subscription.source || ':' || subscription.contact_id
    LEFT JOIN identity.assignment AS by_email
        ON by_email.record_id = 'email:' || subscription.source || ':' || subscription.email
    -- What runs is worth today's rate, not that of the day it began.
    LEFT JOIN core.fx_rate AS fx ON fx.currency = subscription.currency AND fx.date = subscription.as_of
)
SELECT
    source || ':' || source_id AS subscription_id,
    source,
    source_id,
    customer_id,
    plan,
    status,
    amount,
    currency,
    interval AS billing_interval,
    CAST(
        CASE WHEN is_base THEN amount ELSE CAST(amount * rate AS DECIMAL(18, 4)) END AS DECIMAL(18, 4)
    ) * CASE interval
        WHEN 'day' THEN CAST(30.4167 AS DECIMAL(10, 6))
        WHEN 'week' THEN CAST(4.345238 AS DECIMAL(10, 6))
        WHEN 'month' THEN CAST(1 AS DECIMAL(10, 6))
        WHEN 'quarter' THEN CAST(0.333333 AS DECIMAL(10, 6))
        ELSE CAST(0.083333 AS DECIMAL(10, 6))
    END AS mrr_base,
    status IN ('active', 'past_due') AS is_active,
    started_at,
    started_date,
    cancelled_at,
    cancelled_date
FROM priced
