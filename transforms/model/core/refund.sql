-- One row per refund.
WITH dated AS (
    SELECT
        refund.*,
        CAST(refund.refunded_at AT TIME ZONE night.timezone AS DATE) AS refunded_date,
        night.base_currency
    FROM clean.refund AS refund
    CROSS JOIN meta.night AS night
    WHERE NOT refund.is_deleted
),
linked AS (
    SELECT
        refund.*,
        payment.payment_id AS linked_payment_id,
        coalesce(by_id.order_id, by_number.order_id, payment.order_id) AS linked_order_id,
        coalesce(by_id.customer_id, by_number.customer_id, payment.customer_id) AS customer_id
    FROM dated AS refund
    LEFT JOIN identity.sales_order AS by_id ON by_id.source = refund.source AND by_id.source_id = refund.order_id
    LEFT JOIN identity.order_reference AS by_number
        ON by_number.source = refund.source AND by_number.order_number = refund.order_number
    LEFT JOIN core.payment AS payment
        ON payment.source = refund.source AND payment.source_id = refund.payment_id
),
priced AS (
    SELECT
        linked.*,
        linked.currency = linked.base_currency AS is_base,
        fx.rate
    FROM linked
    LEFT JOIN core.fx_rate AS fx ON fx.currency = linked.currency AND fx.date = linked.refunded_date
)
SELECT
    source || ':' || source_id AS refund_id,
    source,
    source_id,
    linked_payment_id AS payment_id,
    linked_order_id AS order_id,
    customer_id,
    amount,
    currency,
    CASE WHEN is_base THEN amount ELSE CAST(amount * rate AS DECIMAL(18, 4)) END AS amount_base,
    reason,
    refunded_at,
    refunded_date
FROM priced
