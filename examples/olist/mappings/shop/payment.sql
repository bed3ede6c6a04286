-- One row per payment. When it was taken is not told; the order's approval stands for it.
SELECT
    payments.order_id || '-' || payments.payment_sequential AS source_id,
    payments.order_id,
    payments.order_id AS order_number,
    orders.customer_id AS contact_id,
    payments.payment_type AS method,
    'succeeded' AS status,
    payments.payment_value AS amount,
    'BRL' AS currency,
    payments.payment_installments AS installments,
    orders.order_approved_at AS paid_at
FROM raw.payments AS payments
LEFT JOIN raw.orders AS orders ON orders.order_id = payments.order_id
