-- One row per touch of a journey: the way of a person to an order, or to none.
WITH lookback AS (
    SELECT CAST(value AS INTEGER) AS days FROM meta.setting WHERE name = 'attribution_days'
),
-- A device is somebody's where only one person was ever known on it.
device AS (
    SELECT source, visitor_id, min(customer_id) AS customer_id
    FROM (
        SELECT source, visitor_id, customer_id FROM core.touch
        UNION
        SELECT source, visitor_id, customer_id FROM core.web_session
    ) AS seen
    WHERE visitor_id IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY source, visitor_id
    HAVING count(*) = 1
),
-- Only what somebody did: mails sent or opened and ads shown are no touches (the contract says why).
contact AS (
    SELECT
        'touch:' || touch_id AS touch_id,
        source,
        customer_id,
        visitor_id,
        lower(kind) AS kind,
        campaign_id,
        channel AS medium,
        NULL AS traffic_source,
        channel IS NULL AS is_marketing,
        occurred_at AS happened_at
    FROM core.touch
    WHERE lower(kind) IN ('click', 'visit', 'form', 'submit')
    UNION ALL
    SELECT
        'visit:' || web_session_id,
        source,
        customer_id,
        visitor_id,
        'visit',
        campaign_id,
        medium,
        traffic_source,
        campaign_name IS NOT NULL,
        started_at
    FROM core.web_session
),
-- What an order's own parameters tell is a touch as well, at the time of the order.
found AS (
    SELECT
        contact.touch_id,
        coalesce(contact.customer_id, device.customer_id) AS customer_id,
        coalesce(
            contact.customer_id, device.customer_id, 'visitor:' || contact.source || ':' || contact.visitor_id
        ) AS person_id,
        contact.kind,
        contact.campaign_id,
        lower(trim(contact.medium)) AS medium,
        lower(trim(contact.traffic_source)) AS traffic_source,
        contact.is_marketing,
        NULL AS own_order_id,
        contact.happened_at
    FROM contact
    LEFT JOIN device ON device.source = contact.source AND device.visitor_id = contact.visitor_id
    UNION ALL
    SELECT
        'order:' || order_id,
        customer_id,
        coalesce(customer_id, 'order:' || order_id),
        'order',
        campaign_id,
        lower(trim(utm_medium)),
        lower(trim(utm_source)),
        campaign IS NOT NULL,
        order_id,
        ordered_at
    FROM core.sales_order
    WHERE is_counted
),
worded AS (
    SELECT
        found.*,
        CASE
            WHEN medium NOT IN ('', 'direct', '(direct)', 'none', '(none)', '(not set)') THEN medium
            WHEN traffic_source NOT IN ('', 'direct', '(direct)', 'none', '(none)', '(not set)') THEN traffic_source
            WHEN is_marketing THEN '(unknown)'
        END AS word
    FROM found
    WHERE person_id IS NOT NULL
),
-- What names neither campaign nor channel, such as a visit by a bookmark, says nothing that credit could go to.
named AS (
    SELECT
        worded.touch_id,
        worded.customer_id,
        worded.person_id,
        worded.kind,
        worded.campaign_id,
        CASE WHEN campaign.campaign_id IS NULL THEN worded.word ELSE campaign.channel END AS channel,
        coalesce(worded.campaign_id, 'channel=' || worded.word) AS touchpoint,
        worded.own_order_id,
        worded.happened_at
    FROM worded
    LEFT JOIN core.campaign AS campaign ON campaign.campaign_id = worded.campaign_id
    WHERE worded.campaign_id IS NOT NULL OR worded.word IS NOT NULL
),
ordered AS (
    SELECT
        'order:' || order_id AS touch_id,
        customer_id,
        coalesce(customer_id, 'order:' || order_id) AS person_id,
        order_id,
        ordered_at
    FROM core.sales_order
    WHERE is_counted
),
event AS (
    SELECT named.*, 0 AS is_order FROM named
    UNION ALL
    SELECT touch_id, customer_id, person_id, NULL, NULL, NULL, NULL, order_id, ordered_at, 1
    FROM ordered
    WHERE person_id IN (SELECT person_id FROM named)
),
-- At one instant touches come before orders, and what an order tells comes right before it.
placed AS (
    SELECT
        event.*,
        sum(is_order) OVER way - is_order AS orders_before,
        lag(touchpoint) OVER way AS previous_touchpoint,
        lag(happened_at) OVER way AS previous_at,
        lead(touchpoint) OVER way AS next_touchpoint,
        lead(kind) OVER way AS next_kind,
        lead(happened_at) OVER way AS next_at
    FROM event
    WINDOW way AS (PARTITION BY person_id ORDER BY happened_at, coalesce(own_order_id, ''), is_order, touch_id)
),
-- From one order of a person to the next, and in stretches where nothing happens for too long.
bounded AS (
    SELECT
        placed.*,
        lookback.days,
        max(CASE WHEN is_order = 1 THEN own_order_id END) OVER (PARTITION BY person_id, orders_before) AS next_order_id,
        max(CASE WHEN is_order = 1 THEN happened_at END) OVER (PARTITION BY person_id, orders_before) AS next_order_at,
        sum(CASE
            WHEN previous_touchpoint IS NOT NULL AND previous_at >= happened_at - lookback.days * INTERVAL 1 DAY THEN 0
            ELSE 1
        END) OVER (
            PARTITION BY person_id, orders_before ORDER BY happened_at, coalesce(own_order_id, ''), is_order, touch_id
        ) AS stretch
    FROM placed
    CROSS JOIN lookback
),
-- Left out: a touch that is recorded again within half an hour, and an order's own where it repeats the last touch.
touch AS (
    SELECT
        bounded.*,
        CASE WHEN happened_at >= next_order_at - days * INTERVAL 1 DAY THEN next_order_id END AS order_id
    FROM bounded
    WHERE is_order = 0
        AND NOT coalesce(
            next_kind <> 'order' AND next_touchpoint = touchpoint AND next_at <= happened_at + INTERVAL 30 MINUTE, FALSE
        )
        AND NOT coalesce(
            kind = 'order' AND previous_touchpoint = touchpoint
            AND previous_at >= happened_at - days * INTERVAL 1 DAY, FALSE
        )
),
journey AS (
    SELECT
        touch.*,
        CAST(happened_at AT TIME ZONE night.timezone AS DATE) AS touched_date,
        night.as_of - days AS settled_date,
        CASE WHEN order_id IS NULL THEN stretch END AS lapsed_stretch
    FROM touch
    CROSS JOIN meta.night AS night
)
SELECT
    coalesce('order:' || order_id, first_value(touch_id) OVER way) AS journey_id,
    row_number() OVER way AS position,
    CASE
        WHEN order_id IS NOT NULL THEN 'order'
        WHEN max(touched_date) OVER whole > settled_date THEN 'open'
        ELSE 'lapsed'
    END AS outcome,
    order_id,
    customer_id,
    touch_id,
    kind,
    campaign_id,
    channel,
    touchpoint,
    happened_at AS touched_at,
    touched_date,
    CASE WHEN order_id IS NOT NULL THEN date_diff('second', happened_at, next_order_at) / 86400.0e0 END
        AS days_before_order
FROM journey
WINDOW
    whole AS (PARTITION BY order_id, person_id, orders_before, lapsed_stretch),
    way AS (
        PARTITION BY order_id, person_id, orders_before, lapsed_stretch
        ORDER BY happened_at, coalesce(own_order_id, ''), touch_id
    )
