-- One row per order, discount and shipping with tax where the shop's prices are with tax, as the customer saw them.
SELECT
    id AS source_id,
    payload->>'$.number' AS order_number,
    nullif(payload->>'$.customer_id', '0') AS contact_id,
    payload->>'$.billing.email' AS email,
    coalesce(nullif(payload->>'$.billing.phone', ''), payload->>'$.shipping.phone') AS phone,
    CASE payload->>'$.status'
        WHEN 'pending' THEN 'open'
        WHEN 'on-hold' THEN 'open'
        WHEN 'processing' THEN 'paid'
        WHEN 'failed' THEN 'cancelled'
        -- completed, cancelled and refunded are called the same here; what extensions add goes into quarantine.
        ELSE payload->>'$.status'
    END AS status,
    payload->>'$.created_via' AS channel,
    payload->>'$.currency' AS currency,
    -- Fees are lines of their own there, and part of the goods here.
    CAST(payload->>'$.total' AS DECIMAL(18, 4))
    - CAST(payload->>'$.total_tax' AS DECIMAL(18, 4))
    - CAST(payload->>'$.shipping_total' AS DECIMAL(18, 4))
    + CAST(payload->>'$.discount_total' AS DECIMAL(18, 4))
    + CASE
        WHEN (payload->>'$.prices_include_tax') = 'true'
            THEN CAST(payload->>'$.discount_tax' AS DECIMAL(18, 4)) - CAST(payload->>'$.shipping_tax' AS DECIMAL(18, 4))
        ELSE 0
    END AS subtotal,
    CAST(payload->>'$.discount_total' AS DECIMAL(18, 4))
    + CASE
        WHEN (payload->>'$.prices_include_tax') = 'true' THEN CAST(payload->>'$.discount_tax' AS DECIMAL(18, 4))
        ELSE 0
    END AS discount,
    CAST(payload->>'$.shipping_total' AS DECIMAL(18, 4))
    + CASE
        WHEN (payload->>'$.prices_include_tax') = 'true' THEN CAST(payload->>'$.shipping_tax' AS DECIMAL(18, 4))
        ELSE 0
    END AS shipping,
    payload->>'$.total_tax' AS tax,
    payload->>'$.total' AS total,
    payload->>'$.coupon_lines[0].code' AS coupon_code,
    list_extract(list_filter(
        CAST(payload->'$.meta_data' AS JSON[]), lambda meta: (meta->>'$.key') = '_wc_order_attribution_utm_campaign'
    ), 1)->>'$.value' AS campaign,
    list_extract(list_filter(
        CAST(payload->'$.meta_data' AS JSON[]), lambda meta: (meta->>'$.key') = '_wc_order_attribution_utm_source'
    ), 1)->>'$.value' AS utm_source,
    list_extract(list_filter(
        CAST(payload->'$.meta_data' AS JSON[]), lambda meta: (meta->>'$.key') = '_wc_order_attribution_utm_medium'
    ), 1)->>'$.value' AS utm_medium,
    coalesce(nullif(payload->>'$.shipping.city', ''), payload->>'$.billing.city') AS ship_city,
    coalesce(nullif(payload->>'$.shipping.state', ''), payload->>'$.billing.state') AS ship_region,
    coalesce(nullif(payload->>'$.shipping.postcode', ''), payload->>'$.billing.postcode') AS ship_postcode,
    coalesce(nullif(payload->>'$.shipping.country', ''), payload->>'$.billing.country') AS ship_country,
    -- When an order was cancelled or arrived is not kept.
    (payload->>'$.date_created_gmt') || 'Z' AS ordered_at
FROM raw.orders
-- An order that is still at the checkout is none yet.
WHERE (payload->>'$.status') <> 'checkout-draft'
