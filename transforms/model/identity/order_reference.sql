-- One row per source and number that its records mention and that finds exactly one order, directly or by an invoice.
WITH mention AS (
    SELECT source, order_number FROM clean.payment WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.refund WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.invoice WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.deal WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.ticket WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.feedback WHERE NOT is_deleted
    UNION
    SELECT source, order_number FROM clean.shipment WHERE NOT is_deleted
),
plain AS (
    SELECT source, order_number, upper(replace(trim(order_number), '#', '')) AS plain_number
    FROM mention
    WHERE order_number IS NOT NULL
),
company_wide AS (
    SELECT order_number, order_id, customer_id FROM identity.sales_order WHERE number_scope = 'company'
),
within_source AS (
    SELECT source, order_number, order_id, customer_id FROM identity.sales_order WHERE number_scope = 'source'
),
-- An invoice's number stands for the order that the invoice names.
billed AS (
    SELECT
        invoice.source,
        invoice.invoice_number,
        invoice.number_scope,
        coalesce(company_wide.order_id, within_source.order_id) AS order_id,
        coalesce(company_wide.customer_id, within_source.customer_id) AS customer_id
    FROM identity.invoice AS invoice
    LEFT JOIN company_wide ON company_wide.order_number = invoice.order_number
    LEFT JOIN within_source
        ON within_source.order_number = invoice.order_number AND within_source.source = invoice.source
    WHERE
        invoice.number_scope IN ('company', 'source')
        AND coalesce(company_wide.order_id, within_source.order_id) IS NOT NULL
)
SELECT
    plain.source,
    plain.order_number,
    coalesce(company_wide.order_id, within_source.order_id, by_invoice.order_id, by_own_invoice.order_id) AS order_id,
    CASE
        WHEN coalesce(company_wide.order_id, within_source.order_id) IS NOT NULL
            THEN coalesce(company_wide.customer_id, within_source.customer_id)
        ELSE coalesce(by_invoice.customer_id, by_own_invoice.customer_id)
    END AS customer_id,
    CASE
        WHEN coalesce(company_wide.order_id, within_source.order_id) IS NOT NULL THEN 'order_number'
        ELSE 'invoice_number'
    END AS linked_by
FROM plain
LEFT JOIN company_wide ON company_wide.order_number = plain.plain_number
LEFT JOIN within_source
    ON within_source.order_number = plain.plain_number AND within_source.source = plain.source
LEFT JOIN billed AS by_invoice
    ON by_invoice.invoice_number = plain.plain_number AND by_invoice.number_scope = 'company'
LEFT JOIN billed AS by_own_invoice
    ON by_own_invoice.invoice_number = plain.plain_number
    AND by_own_invoice.source = plain.source
    AND by_own_invoice.number_scope = 'source'
WHERE
    coalesce(company_wide.order_id, within_source.order_id, by_invoice.order_id, by_own_invoice.order_id) IS NOT NULL
