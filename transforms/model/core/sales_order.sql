-- One row per order.
WITH dated AS (
    SELECT
        sales_order.*,
        CAST(sales_order.ordered_at AT TIME ZONE night.timezone AS DATE) AS ordered_date,
        night.base_currency
    FROM clean.sales_order AS sales_order
    CROSS JOIN meta.night AS night
    WHERE NOT sales_order.is_deleted
),
refunded AS (
    SELECT order_id, sum(amount_base) AS refunded_base
    FROM core.refund
    WHERE order_id IS NOT NULL
    GROUP BY order_id
),
priced AS (
    SELECT
        sales_order.*,
        known.order_id,
        known.customer_id,
        campaign.campaign_id,
        sales_order.status <> 'cancelled' AS is_counted,
        refunded.refunded_base,
        sales_order.currency = sales_order.base_currency AS is_base,
        fx.rate
    FROM dated AS sales_order
    INNER JOIN identity.sales_order AS known
        ON known.source = sales_order.source AND known.source_id = sales_order.source_id
    LEFT JOIN core.fx_rate AS fx
        ON fx.currency = sales_order.currency
        AND fx.date = sales_order.ordered_date
    LEFT JOIN core.campaign_reference AS campaign
        ON campaign.name_key = lower(trim(sales_order.campaign))
        AND campaign.traffic_source = lower(trim(coalesce(sales_order.utm_source, '')))
    LEFT JOIN refunded ON refunded.order_id = known.order_id
),
based AS (
    SELECT
        priced.*,
        CASE WHEN is_base THEN subtotal ELSE CAST(subtotal * rate AS DECIMAL(18, 4)) END AS subtotal_base,
        CASE WHEN is_base THEN discount ELSE CAST(discount * rate AS DECIMAL(18, 4)) END AS discount_base,
        CASE WHEN is_base THEN shipping ELSE CAST(shipping * rate AS DECIMAL(18, 4)) END AS shipping_base,
        CASE WHEN is_base THEN tax ELSE CAST(tax * rate AS DECIMAL(18, 4)) END AS tax_base,
        CASE WHEN is_base THEN total ELSE CAST(total * rate AS DECIMAL(18, 4)) END AS total_base
    FROM priced
),
netted AS (
    SELECT
        based.*,
        CASE WHEN is_counted THEN total_base - coalesce(shipping_base, 0) - coalesce(tax_base, 0) ELSE 0 END
            AS goods_base
    FROM based
),
returned AS (
    SELECT
        netted.*,
        CASE
            WHEN goods_base IS NULL THEN NULL
            -- A source that marks an order refunded but exports no refunds means all of it.
            WHEN is_counted AND status = 'refunded' AND refunded_base IS NULL THEN goods_base
            WHEN is_counted THEN least(coalesce(refunded_base, 0), goods_base)
            ELSE 0
        END AS returns_base
    FROM netted
),
-- Numbered apart from the wide rows, so that few columns are sorted.
numbered AS (
    SELECT
        known.order_id,
        row_number() OVER (PARTITION BY known.customer_id ORDER BY sales_order.ordered_at, known.order_id)
            AS customer_order_number
    FROM identity.sales_order AS known
    INNER JOIN clean.sales_order AS sales_order
        ON sales_order.source = known.source AND sales_order.source_id = known.source_id
    WHERE sales_order.status <> 'cancelled' AND known.customer_id IS NOT NULL
)
SELECT
    returned.order_id,
    returned.source,
    returned.source_id,
    returned.order_number,
    returned.customer_id,
    returned.status,
    returned.is_counted,
    numbered.customer_order_number,
    returned.channel,
    returned.currency,
    returned.subtotal,
    returned.discount,
    returned.shipping,
    returned.tax,
    returned.total,
    returned.subtotal_base,
    returned.discount_base,
    returned.shipping_base,
    returned.tax_base,
    returned.total_base,
    returned.refunded_base,
    returned.goods_base,
    returned.returns_base,
    returned.goods_base - returned.returns_base AS net_revenue_base,
    returned.coupon_code,
    returned.campaign_id,
    returned.campaign,
    returned.utm_source,
    returned.utm_medium,
    returned.ship_city,
    returned.ship_region,
    returned.ship_postcode,
    returned.ship_country,
    returned.ordered_at,
    returned.ordered_date,
    returned.cancelled_at,
    returned.delivered_at,
    returned.promised_date
FROM returned
LEFT JOIN numbered ON numbered.order_id = returned.order_id
