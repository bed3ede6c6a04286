-- One row per counted order, model and campaign (or channel, where no campaign is known) that earns credit for it.
WITH model AS (
    SELECT name
    FROM (VALUES ('first'), ('last'), ('linear'), ('time_decay'), ('position'), ('data_driven')) AS listed (name)
),
touch AS (
    SELECT
        order_id,
        touchpoint,
        campaign_id,
        channel,
        position,
        count(*) OVER (PARTITION BY order_id) AS touches,
        days_before_order - min(days_before_order) OVER (PARTITION BY order_id) AS days_before_last
    FROM core.journey
    WHERE outcome = 'order'
),
-- Weights are whole numbers, so that sums do not depend on the order of rows. Only their ratios matter.
reached AS (
    SELECT
        order_id,
        touchpoint,
        min(campaign_id) AS campaign_id,
        min(channel) AS channel,
        max(position) AS last_position,
        max(touches) AS touches,
        sum(CASE WHEN position = 1 THEN 1 ELSE 0 END) AS first_weight,
        sum(CASE WHEN position = touches THEN 1 ELSE 0 END) AS last_weight,
        count(*) AS linear_weight,
        -- Half as much for every 7 days before the last touch.
        sum(CAST(round(100000000 * power(0.5e0, days_before_last / 7)) AS BIGINT)) AS time_decay_weight,
        -- 40 % for the first and the last touch, 20 % for those between; half each where there are but two.
        sum(CASE WHEN touches > 2 AND position IN (1, touches) THEN 2 * (touches - 2) ELSE 1 END) AS position_weight
    FROM touch
    GROUP BY order_id, touchpoint
),
learned AS (
    SELECT
        reached.*,
        effect.weight IS NOT NULL AS is_learned,
        count(*) OVER (PARTITION BY reached.order_id) AS touchpoints,
        -- Touchpoints that were learned of as one share what it weighs.
        greatest(1, CAST(round(
            100000000 * effect.weight / count(*) OVER (PARTITION BY reached.order_id, effect.state)
        ) AS BIGINT)) AS learned_weight
    FROM reached
    INNER JOIN mart.touchpoint_effect AS effect ON effect.touchpoint = reached.touchpoint
),
weighed AS (
    SELECT
        learned.order_id,
        model.name AS model,
        learned.campaign_id,
        learned.channel,
        learned.last_position = learned.touches AS is_last,
        CAST(CASE
            WHEN model.name = 'first' THEN learned.first_weight
            WHEN model.name = 'last' THEN learned.last_weight
            WHEN model.name = 'time_decay' THEN learned.time_decay_weight
            WHEN model.name = 'position' THEN learned.position_weight
            WHEN model.name = 'data_driven' AND learned.is_learned THEN learned.learned_weight
            ELSE learned.linear_weight
        END AS BIGINT) AS weight
    FROM learned
    CROSS JOIN model
    WHERE learned.touchpoints > 1
),
-- In millionths, rounded down; the last touch takes the rest.
parted AS (
    SELECT
        weighed.*,
        weight * 1000000 // CAST(sum(weight) OVER (PARTITION BY order_id, model) AS BIGINT) AS millionths
    FROM weighed
    WHERE weight > 0
),
credited AS (
    SELECT
        order_id,
        model,
        campaign_id,
        channel,
        is_last,
        CAST(0.000001 * CAST(
            millionths
            + CASE WHEN is_last THEN 1000000 - sum(millionths) OVER (PARTITION BY order_id, model) ELSE 0 END
        AS BIGINT) AS DECIMAL(7, 6)) AS credit
    FROM parted
),
priced AS (
    SELECT
        credited.*,
        sales_order.net_revenue_base,
        -- Cut after the last digit, with room for the digits of both factors.
        CAST(
            CASE WHEN sales_order.net_revenue_base < 0 THEN -0.0001 ELSE 0.0001 END
            * floor(10000 * abs(CAST(sales_order.net_revenue_base AS DECIMAL(28, 4))) * credited.credit)
        AS DECIMAL(18, 4)) AS revenue_base
    FROM credited
    INNER JOIN core.sales_order AS sales_order ON sales_order.order_id = credited.order_id
    WHERE credited.credit > 0
),
shared AS (
    SELECT
        order_id,
        model,
        campaign_id,
        channel,
        credit,
        revenue_base + CASE
            WHEN is_last THEN net_revenue_base - sum(revenue_base) OVER (PARTITION BY order_id, model) ELSE 0
        END AS revenue_base
    FROM priced
),
-- Nothing is to be shared where one touchpoint was all there was, or none.
whole AS (
    SELECT
        sales_order.order_id,
        model.name AS model,
        learned.campaign_id,
        learned.channel,
        1 AS credit,
        sales_order.net_revenue_base AS revenue_base
    FROM core.sales_order AS sales_order
    LEFT JOIN learned ON learned.order_id = sales_order.order_id
    CROSS JOIN model
    WHERE sales_order.is_counted AND coalesce(learned.touchpoints, 1) = 1
),
every AS (
    SELECT * FROM shared
    UNION ALL
    SELECT * FROM whole
)
SELECT
    every.order_id,
    every.model,
    coalesce(every.campaign_id, '(none)') AS campaign_id,
    coalesce(every.channel, '(none)') AS channel,
    sales_order.ordered_date,
    coalesce(sales_order.customer_order_number = 1, FALSE) AS is_new_customer,
    every.credit,
    every.revenue_base AS credited_revenue_base,
    every.model = 'data_driven' AND NOT learning.is_learned AS is_fallback
FROM every
INNER JOIN core.sales_order AS sales_order ON sales_order.order_id = every.order_id
CROSS JOIN (SELECT count(weight) > 0 AS is_learned FROM mart.touchpoint_effect) AS learning
