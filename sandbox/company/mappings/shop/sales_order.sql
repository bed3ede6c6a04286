-- One row per order.
SELECT
    id AS source_id,
    name AS order_number,
    customer_id AS contact_id,
    email,
    phone,
    -- The shop keeps payment and delivery apart; the contract has one status, the furthest the order got.
    CASE
        WHEN cancelled_at IS NOT NULL THEN 'cancelled'
        WHEN financial_status = 'refunded' THEN 'refunded'
        WHEN fulfillment_status = 'delivered' THEN 'delivered'
        WHEN fulfillment_status = 'in_transit' THEN 'shipped'
        WHEN financial_status IN ('paid', 'partially_refunded') THEN 'paid'
        WHEN financial_status = 'pending' THEN 'open'
        WHEN financial_status = 'voided' THEN 'cancelled'
        -- What the shop may invent tomorrow goes through as it is, and into quarantine.
        ELSE financial_status
    END AS status,
    source AS channel,
    currency,
    -- Prices include tax; this is the goods' price without it, before the discount.
    subtotal_net AS subtotal,
    discount_amount AS discount,
    shipping,
    taxes AS tax,
    total,
    discount_code AS coupon_code,
    utm_campaign AS campaign,
    utm_source,
    utm_medium,
    shipping_city AS ship_city,
    shipping_zip AS ship_postcode,
    shipping_country AS ship_country,
    created_at AS ordered_at,
    cancelled_at,
    delivered_at,
    promised AS promised_date
FROM raw.orders
