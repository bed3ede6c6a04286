-- One row per order, deal, invoice, payment or refund, with whose it is and which others it names.
WITH sold AS (
    SELECT
        known.order_id,
        known.source,
        known.source_id,
        known.customer_id,
        sales_order.status <> 'cancelled' AS is_live,
        sales_order.currency,
        sales_order.total,
        CAST(sales_order.ordered_at AT TIME ZONE night.timezone AS DATE) AS ordered_date
    FROM identity.sales_order AS known
    INNER JOIN clean.sales_order AS sales_order
        ON sales_order.source = known.source AND sales_order.source_id = known.source_id
    CROSS JOIN meta.night AS night
),
company_invoice AS (
    SELECT invoice_number, invoice_id FROM identity.invoice WHERE number_scope = 'company'
),
source_invoice AS (
    SELECT source, invoice_number, invoice_id FROM identity.invoice WHERE number_scope = 'source'
),
document AS (
    SELECT
        'deal' AS kind,
        deal.source,
        deal.source_id,
        deal.status = 'won' AS is_live,
        deal.contact_id,
        NULL AS email,
        deal.company_id,
        deal.currency,
        deal.amount,
        CAST(deal.closed_at AT TIME ZONE night.timezone AS DATE) AS day,
        NULL AS order_source_id,
        deal.order_number,
        NULL AS invoice_source_id,
        NULL AS invoice_number,
        NULL AS payment_source_id
    FROM clean.deal AS deal
    CROSS JOIN meta.night AS night
    WHERE NOT deal.is_deleted
    UNION ALL
    SELECT
        'invoice',
        source,
        source_id,
        direction = 'sales' AND status NOT IN ('draft', 'void'),
        contact_id,
        NULL,
        company_id,
        currency,
        total,
        issued_date,
        NULL,
        order_number,
        NULL,
        NULL,
        NULL
    FROM clean.invoice
    WHERE NOT is_deleted
    UNION ALL
    SELECT
        'payment',
        payment.source,
        payment.source_id,
        payment.status IN ('succeeded', 'disputed'),
        payment.contact_id,
        payment.email,
        NULL,
        payment.currency,
        payment.amount,
        CAST(payment.paid_at AT TIME ZONE night.timezone AS DATE),
        payment.order_id,
        payment.order_number,
        payment.invoice_id,
        -- What a payment gives as the order's number may be an invoice's.
        upper(replace(trim(payment.order_number), '#', '')),
        NULL
    FROM clean.payment AS payment
    CROSS JOIN meta.night AS night
    WHERE NOT payment.is_deleted
    UNION ALL
    SELECT
        'refund',
        refund.source,
        refund.source_id,
        TRUE,
        NULL,
        NULL,
        NULL,
        refund.currency,
        refund.amount,
        CAST(refund.refunded_at AT TIME ZONE night.timezone AS DATE),
        refund.order_id,
        refund.order_number,
        NULL,
        NULL,
        refund.payment_id
    FROM clean.refund AS refund
    CROSS JOIN meta.night AS night
    WHERE NOT refund.is_deleted
)
SELECT
    'order' AS kind,
    order_id AS document_id,
    source,
    source_id,
    is_live,
    customer_id,
    NULL AS account_id,
    currency,
    CAST(total AS DECIMAL(18, 2)) AS amount,
    ordered_date AS day,
    NULL AS order_id,
    NULL AS order_linked_by,
    NULL AS invoice_id,
    NULL AS invoice_linked_by,
    NULL AS payment_id
FROM sold
UNION ALL
SELECT
    document.kind,
    document.source || ':' || document.source_id AS document_id,
    document.source,
    document.source_id,
    document.is_live,
    coalesce(by_contact.customer_id, by_email.customer_id) AS customer_id,
    account.account_id,
    document.currency,
    CAST(document.amount AS DECIMAL(18, 2)) AS amount,
    document.day,
    coalesce(by_id.order_id, by_number.order_id) AS order_id,
    CASE WHEN by_id.order_id IS NOT NULL THEN 'source_id' ELSE by_number.linked_by END AS order_linked_by,
    CASE
        WHEN invoice_by_id.invoice_id IS NOT NULL THEN invoice_by_id.invoice_id
        -- A number that is an order's means the order.
        WHEN by_number.linked_by = 'order_number' THEN NULL
        ELSE coalesce(company_invoice.invoice_id, source_invoice.invoice_id)
    END AS invoice_id,
    CASE
        WHEN invoice_by_id.invoice_id IS NOT NULL THEN 'source_id'
        WHEN by_number.linked_by = 'order_number' THEN NULL
        WHEN coalesce(company_invoice.invoice_id, source_invoice.invoice_id) IS NOT NULL THEN 'invoice_number'
    END AS invoice_linked_by,
    CASE WHEN NOT payment.is_deleted THEN payment.source || ':' || payment.source_id END AS payment_id
FROM document
LEFT JOIN identity.sales_order AS by_id
    ON by_id.source = document.source AND by_id.source_id = document.order_source_id
LEFT JOIN identity.order_reference AS by_number
    ON by_number.source = document.source AND by_number.order_number = document.order_number
LEFT JOIN identity.invoice AS invoice_by_id
    ON invoice_by_id.source = document.source AND invoice_by_id.source_id = document.invoice_source_id
LEFT JOIN company_invoice ON company_invoice.invoice_number = document.invoice_number
LEFT JOIN source_invoice
    ON source_invoice.invoice_number = document.invoice_number AND source_invoice.source = document.source
LEFT JOIN clean.payment AS payment
    ON payment.source = document.source AND payment.source_id = document.payment_source_id
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || document.source || ':' || document.contact_id
LEFT JOIN identity.assignment AS by_email
    ON by_email.record_id = 'email:' || document.source || ':' || document.email
LEFT JOIN identity.account AS account
    ON account.source = document.source AND account.source_id = document.company_id
