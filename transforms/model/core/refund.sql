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
        to_order.to_id AS linked_order_id,
        coalesce(sold.customer_id, payment.customer_id) AS customer_id
    FROM dated AS refund
    LEFT JOIN core.money_link AS to_order
        ON to_order.from_type = 'refund' AND to_order.to_type = 'order'
        AND to_order.from_id = refund.source || ':' || refund.source_id
    LEFT JOIN core.money_link AS to_payment
        ON to_payment.from_type = 'refund' AND to_payment.to_type = 'payment'
        AND to_payment.from_id = refund.source || ':' || refund.source_id
    LEFT JOIN identity.sales_order AS sold ON sold.order_id = to_order.to_id
    LEFT JOIN core.payment AS payment ON payment.payment_id = to_payment.to_id
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
