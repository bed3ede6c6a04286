-- One row per order: what was ordered, invoiced, paid and given back, and what is still owed.
WITH sold AS (
    SELECT
        sales_order.*,
        night.as_of,
        CAST(sales_order.total AS DECIMAL(18, 2)) AS due,
        -- What a unit of the order's currency was worth on its day.
        CASE WHEN sales_order.currency = night.base_currency THEN 1 ELSE fx.rate END AS rate
    FROM core.sales_order AS sales_order
    CROSS JOIN meta.night AS night
    LEFT JOIN core.fx_rate AS fx ON fx.currency = sales_order.currency AND fx.date = sales_order.ordered_date
),
-- Money of one order in the order's own currency, so that rates of different days leave no remainder.
received AS (
    SELECT
        payment.order_id,
        payment.payment_id,
        payment.paid_date,
        payment.amount_base,
        CASE
            WHEN payment.currency = sold.currency THEN payment.amount
            ELSE CAST(payment.amount_base / sold.rate AS DECIMAL(18, 2))
        END AS amount
    FROM core.payment AS payment
    INNER JOIN sold ON sold.order_id = payment.order_id
    WHERE payment.is_received
),
summed AS (
    SELECT
        received.*,
        sum(amount) OVER (
            PARTITION BY order_id ORDER BY paid_date, payment_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS paid_so_far
    FROM received
),
payments AS (
    SELECT
        summed.order_id,
        count(*) AS payments,
        sum(summed.amount) AS paid,
        sum(summed.amount_base) AS paid_base,
        min(summed.paid_date) AS first_paid_date,
        min(CASE WHEN summed.paid_so_far >= sold.due THEN summed.paid_date END) AS paid_in_full_date
    FROM summed
    INNER JOIN sold ON sold.order_id = summed.order_id
    GROUP BY summed.order_id
),
refunds AS (
    SELECT
        refund.order_id,
        count(*) AS refunds,
        sum(
            CASE
                WHEN refund.currency = sold.currency THEN refund.amount
                ELSE CAST(refund.amount_base / sold.rate AS DECIMAL(18, 2))
            END
        ) AS refunded,
        sum(refund.amount_base) AS refunded_base
    FROM core.refund AS refund
    INNER JOIN sold ON sold.order_id = refund.order_id
    GROUP BY refund.order_id
),
claim AS (
    SELECT
        invoice.*,
        -- One number in two systems is one invoice.
        row_number() OVER (
            PARTITION BY invoice.order_id, upper(trim(invoice.invoice_number))
            ORDER BY CASE WHEN invoice.status = 'paid' THEN 1 ELSE 2 END, invoice.invoice_id
        ) AS copy
    FROM core.invoice AS invoice
    WHERE invoice.direction = 'sales' AND invoice.status NOT IN ('draft', 'void') AND invoice.order_id IS NOT NULL
),
invoices AS (
    SELECT
        claim.order_id,
        count(*) AS invoices,
        sum(
            CASE
                WHEN claim.currency = sold.currency THEN claim.total
                ELSE CAST(claim.total_base / sold.rate AS DECIMAL(18, 2))
            END
        ) AS invoiced,
        sum(claim.total_base) AS invoiced_base,
        min(claim.issued_date) AS first_invoiced_date,
        max(claim.due_date) AS due_date,
        bool_and(claim.status = 'paid') AS is_stated_paid,
        max(claim.paid_date) AS paid_date
    FROM claim
    INNER JOIN sold ON sold.order_id = claim.order_id
    WHERE claim.copy = 1
    GROUP BY claim.order_id
),
deals AS (
    SELECT to_id AS order_id, min(from_id) AS deal_id
    FROM core.money_link
    WHERE from_type = 'deal' AND to_type = 'order'
    GROUP BY to_id
),
-- Sources of orders none of which has a known payment: there is no telling who has paid.
paying AS (
    SELECT DISTINCT split_part(order_id, ':', 1) AS source FROM core.payment WHERE is_received AND order_id IS NOT NULL
),
together AS (
    SELECT
        sold.*,
        deals.deal_id,
        coalesce(invoices.invoices, 0) AS invoices,
        coalesce(invoices.invoiced, 0) AS invoiced,
        coalesce(invoices.invoiced_base, 0) AS invoiced_base,
        invoices.first_invoiced_date,
        invoices.due_date,
        invoices.paid_date AS invoice_paid_date,
        coalesce(payments.payments, 0) AS payments,
        CAST(coalesce(payments.paid, 0) AS DECIMAL(18, 2)) AS paid,
        coalesce(payments.paid_base, 0) AS paid_base,
        payments.first_paid_date,
        payments.paid_in_full_date,
        coalesce(refunds.refunds, 0) AS refunds,
        CAST(coalesce(refunds.refunded, 0) AS DECIMAL(18, 2)) AS refunded,
        coalesce(refunds.refunded_base, 0) AS order_refunded_base,
        sold.status IN ('paid', 'completed') OR coalesce(invoices.is_stated_paid, FALSE) AS is_stated_paid,
        paying.source IS NOT NULL AS is_payment_known
    FROM sold
    LEFT JOIN deals ON deals.order_id = sold.order_id
    LEFT JOIN invoices ON invoices.order_id = sold.order_id
    LEFT JOIN payments ON payments.order_id = sold.order_id
    LEFT JOIN refunds ON refunds.order_id = sold.order_id
    LEFT JOIN paying ON paying.source = sold.source
),
judged AS (
    SELECT
        together.*,
        CASE
            WHEN status = 'cancelled' OR (status = 'returned' AND paid = 0) THEN 'cancelled'
            WHEN status = 'refunded' OR (refunded > 0 AND refunded >= paid) THEN 'refunded'
            WHEN paid - refunded > due THEN 'overpaid'
            WHEN paid >= due THEN 'paid'
            WHEN is_stated_paid THEN 'stated_paid'
            WHEN paid > 0 THEN 'partly_paid'
            WHEN is_payment_known THEN 'unpaid'
            ELSE 'unknown'
        END AS cash_status
    FROM together
),
owed AS (
    SELECT
        judged.*,
        CASE
            WHEN cash_status = 'overpaid' THEN due - paid + refunded
            -- Money that came for an order that is off, and has not gone back.
            WHEN cash_status = 'cancelled' THEN least(refunded - paid, 0)
            WHEN cash_status IN ('partly_paid', 'unpaid') THEN due - paid
            WHEN cash_status = 'unknown' THEN NULL
            ELSE 0
        END AS outstanding,
        CASE
            WHEN cash_status = 'stated_paid' THEN invoice_paid_date
            ELSE paid_in_full_date
        END AS settled_date
    FROM judged
)
SELECT
    order_id,
    source,
    order_number,
    customer_id,
    deal_id,
    status,
    cash_status,
    ordered_date,
    currency,
    total,
    total_base AS ordered_base,
    invoices,
    invoiced,
    invoiced_base,
    first_invoiced_date,
    due_date,
    payments,
    paid,
    paid_base,
    first_paid_date,
    settled_date AS paid_in_full_date,
    refunds,
    refunded,
    order_refunded_base AS refunded_base,
    outstanding,
    CAST(outstanding * rate AS DECIMAL(18, 4)) AS outstanding_base,
    first_invoiced_date - ordered_date AS days_to_invoice,
    settled_date - ordered_date AS days_to_pay,
    CASE WHEN outstanding > 0 AND due_date < as_of THEN as_of - due_date END AS days_overdue
FROM owed
