-- One row per payment.
WITH dated AS (
    SELECT
        payment.*,
        CAST(payment.paid_at AT TIME ZONE night.timezone AS DATE) AS paid_date,
        night.base_currency
    FROM clean.payment AS payment
    CROSS JOIN meta.night AS night
    WHERE NOT payment.is_deleted
),
linked AS (
    SELECT
        payment.*,
        coalesce(by_id.order_id, by_number.order_id) AS linked_order_id,
        coalesce(
            by_contact.customer_id, by_email.customer_id, by_id.customer_id, by_number.customer_id
        ) AS customer_id
    FROM dated AS payment
    LEFT JOIN identity.sales_order AS by_id
        ON by_id.source = payment.source AND by_id.source_id = payment.order_id
    LEFT JOIN identity.order_reference AS by_number
        ON by_number.source = payment.source AND by_number.order_number = payment.order_number
    LEFT JOIN identity.assignment AS by_contact
        ON by_contact.record_id = 'contact:' || payment.source || ':' || payment.contact_id
    LEFT JOIN identity.assignment AS by_email
        ON by_email.record_id = 'email:' || payment.source || ':' || payment.email
),
-- Where the source does not say when, the order's day gives the rate.
ordered AS (
    SELECT
        sales_order.source || ':' || sales_order.source_id AS order_id,
        CAST(sales_order.ordered_at AT TIME ZONE night.timezone AS DATE) AS ordered_date
    FROM clean.sales_order AS sales_order
    CROSS JOIN meta.night AS night
),
priced AS (
    SELECT
        linked.*,
        ordered.ordered_date,
        linked.currency = linked.base_currency AS is_base,
        fx.rate
    FROM linked
    LEFT JOIN ordered ON ordered.order_id = linked.linked_order_id
    LEFT JOIN core.fx_rate AS fx
        ON fx.currency = linked.currency AND fx.date = coalesce(linked.paid_date, ordered.ordered_date)
)
SELECT
    source || ':' || source_id AS payment_id,
    source,
    source_id,
    linked_order_id AS order_id,
    customer_id,
    method,
    status,
    amount,
    fee,
    currency,
    CASE WHEN is_base THEN amount ELSE CAST(amount * rate AS DECIMAL(18, 4)) END AS amount_base,
    CASE WHEN is_base THEN fee ELSE CAST(fee * rate AS DECIMAL(18, 4)) END AS fee_base,
    installments,
    paid_at,
    coalesce(paid_date, ordered_date) AS paid_date,
    -- A disputed payment has been taken; what is lost shows up as a refund.
    status IN ('succeeded', 'disputed') AS is_received
FROM priced
