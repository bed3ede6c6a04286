-- One row per source and order number that its records mention and that finds exactly one order.
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
)
SELECT
    plain.source,
    plain.order_number,
    coalesce(company_wide.order_id, within_source.order_id) AS order_id,
    coalesce(company_wide.customer_id, within_source.customer_id) AS customer_id
FROM plain
LEFT JOIN company_wide ON company_wide.order_number = plain.plain_number
LEFT JOIN within_source
    ON within_source.order_number = plain.plain_number AND within_source.source = plain.source
WHERE company_wide.order_id IS NOT NULL OR within_source.order_id IS NOT NULL
