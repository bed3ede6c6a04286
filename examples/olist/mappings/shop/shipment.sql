-- One row per order that was handed to a carrier.
SELECT
    order_id AS source_id,
    order_id,
    order_id AS order_number,
    order_status AS status,
    order_delivered_carrier_date AS shipped_at,
    order_delivered_customer_date AS delivered_at,
    order_estimated_delivery_date AS promised_date
FROM raw.orders
WHERE order_delivered_carrier_date IS NOT NULL
