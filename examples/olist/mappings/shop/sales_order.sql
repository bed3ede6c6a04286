-- One row per order. Orders that never got items (unavailable, cancelled early) are worth what was paid for them.
WITH item AS (
    SELECT
        order_id,
        sum(CAST(price AS DECIMAL(18, 2))) AS goods,
        sum(CAST(freight_value AS DECIMAL(18, 2))) AS freight
    FROM raw.order_items
    GROUP BY order_id
),
paid AS (
    SELECT order_id, sum(CAST(payment_value AS DECIMAL(18, 2))) AS amount
    FROM raw.payments
    GROUP BY order_id
)
SELECT
    orders.order_id AS source_id,
    orders.order_id AS order_number,
    orders.customer_id AS contact_id,
    CASE orders.order_status
        WHEN 'delivered' THEN 'delivered'
        WHEN 'shipped' THEN 'shipped'
        WHEN 'canceled' THEN 'cancelled'
        WHEN 'unavailable' THEN 'cancelled'
        WHEN 'invoiced' THEN 'paid'
        WHEN 'processing' THEN 'paid'
        WHEN 'approved' THEN 'paid'
        WHEN 'created' THEN 'open'
        ELSE orders.order_status
    END AS status,
    'marketplace' AS channel,
    'BRL' AS currency,
    item.goods AS subtotal,
    item.freight AS shipping,
    coalesce(item.goods + item.freight, paid.amount) AS total,
    customers.customer_city AS ship_city,
    customers.customer_state AS ship_region,
    customers.customer_zip_code_prefix AS ship_postcode,
    'BR' AS ship_country,
    orders.order_purchase_timestamp AS ordered_at,
    orders.order_delivered_customer_date AS delivered_at,
    orders.order_estimated_delivery_date AS promised_date
FROM raw.orders AS orders
LEFT JOIN raw.customers AS customers ON customers.customer_id = orders.customer_id
LEFT JOIN item ON item.order_id = orders.order_id
LEFT JOIN paid ON paid.order_id = orders.order_id
