-- One row per subscription.
-- Most currencies have a hundred minor units, some none and some a thousand: docs.stripe.com/currencies.
WITH minor AS (
    SELECT unnest(['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'])
        AS currency, 1 AS units
    UNION ALL
    SELECT unnest(['bhd', 'jod', 'kwd', 'omr', 'tnd']) AS currency, 1000 AS units
),
item AS (
    SELECT
        subscription.id AS subscription_id,
        -- Prices were called plans before, and are still given as such beside.
        coalesce(item->>'$.price.unit_amount', item->>'$.plan.amount') AS unit_amount,
        coalesce(item->>'$.quantity', '1') AS quantity,
        coalesce(
            item->>'$.price.nickname', item->>'$.price.lookup_key', item->>'$.plan.nickname', item->>'$.price.product'
        ) AS plan,
        coalesce(item->>'$.price.currency', item->>'$.plan.currency') AS currency,
        coalesce(item->>'$.price.recurring.interval', item->>'$.plan.interval') AS unit,
        coalesce(item->>'$.price.recurring.interval_count', item->>'$.plan.interval_count') AS units
    FROM raw.subscriptions AS subscription,
        unnest(CAST(subscription.payload->'$.items.data' AS JSON[])) AS t(item)
),
total AS (
    SELECT
        subscription_id,
        string_agg(plan, ', ' ORDER BY plan) AS plan,
        min(currency) AS currency,
        min(unit) AS unit,
        min(units) AS units,
        -- A price in tiers has no amount for one, and the sum none then.
        CASE WHEN count(*) = count(unit_amount) THEN
            sum(TRY_CAST(unit_amount AS DECIMAL(18, 4)) * TRY_CAST(quantity AS DECIMAL(18, 4)))
        END AS amount
    FROM item
    GROUP BY subscription_id
)
SELECT
    subscription.id AS source_id,
    subscription.payload->>'$.customer' AS contact_id,
    customer.payload->>'$.email' AS email,
    total.plan,
    CASE subscription.payload->>'$.status'
        WHEN 'canceled' THEN 'cancelled'
        -- Never came to life, for want of a first payment.
        WHEN 'incomplete_expired' THEN 'cancelled'
        WHEN 'incomplete' THEN 'past_due'
        WHEN 'unpaid' THEN 'past_due'
        ELSE subscription.payload->>'$.status'
    END AS status,
    total.amount / coalesce(minor.units, 100) AS amount,
    coalesce(subscription.payload->>'$.currency', total.currency) AS currency,
    CASE WHEN total.unit = 'month' AND total.units = '3' THEN 'quarter' ELSE total.unit END AS "interval",
    to_timestamp(TRY_CAST(subscription.payload->>'$.start_date' AS BIGINT)) AS started_at,
    to_timestamp(TRY_CAST(subscription.payload->>'$.canceled_at' AS BIGINT)) AS cancelled_at
FROM raw.subscriptions AS subscription
LEFT JOIN total ON total.subscription_id = subscription.id
LEFT JOIN raw.customers AS customer ON customer.id = (subscription.payload->>'$.customer')
LEFT JOIN minor ON minor.currency = coalesce(subscription.payload->>'$.currency', total.currency)
