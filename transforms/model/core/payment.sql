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
        to_order.to_id AS linked_order_id,
        to_invoice.to_id AS linked_invoice_id,
        to_payment.to_id AS same_as_payment_id,
        coalesce(by_contact.customer_id, by_email.customer_id, sold.customer_id) AS customer_id
    FROM dated AS payment
    LEFT JOIN core.money_link AS to_order
        ON to_order.from_type = 'payment' AND to_order.to_type = 'order'
        AND to_order.from_id = payment.source || ':' || payment.source_id
    LEFT JOIN core.money_link AS to_invoice
        ON to_invoice.from_type = 'payment' AND to_invoice.to_type = 'invoice'
        AND to_invoice.from_id = payment.source || ':' || payment.source_id
    LEFT JOIN core.money_link AS to_payment
        ON to_payment.from_type = 'payment' AND to_payment.to_type = 'payment'
        AND to_payment.from_id = payment.source || ':' || payment.source_id
    LEFT JOIN identity.sales_order AS sold ON sold.order_id = to_order.to_id
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
    linked_invoice_id AS invoice_id,
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
    status IN ('succeeded', 'disputed') AND same_as_payment_id IS NULL AS is_received,
    same_as_payment_id
FROM priced
