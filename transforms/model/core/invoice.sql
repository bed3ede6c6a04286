-- One row per invoice, sent or received.
WITH dated AS (
    SELECT
        invoice.*,
        CAST(invoice.paid_at AT TIME ZONE night.timezone AS DATE) AS paid_date,
        night.base_currency,
        night.as_of
    FROM clean.invoice AS invoice
    CROSS JOIN meta.night AS night
    WHERE NOT invoice.is_deleted
)
SELECT
    invoice.source || ':' || invoice.source_id AS invoice_id,
    invoice.source,
    invoice.source_id,
    invoice.invoice_number,
    invoice.direction,
    coalesce(by_contact.customer_id, sold.customer_id) AS customer_id,
    account.account_id,
    to_order.to_id AS order_id,
    invoice.status,
    invoice.subtotal,
    invoice.tax,
    invoice.total,
    invoice.currency,
    CASE
        WHEN invoice.currency = invoice.base_currency THEN invoice.total
        ELSE CAST(invoice.total * fx.rate AS DECIMAL(18, 4))
    END AS total_base,
    invoice.issued_date,
    invoice.due_date,
    invoice.paid_at,
    invoice.paid_date,
    invoice.status IN ('open', 'overdue') AND coalesce(invoice.due_date < invoice.as_of, FALSE) AS is_overdue
FROM dated AS invoice
LEFT JOIN core.money_link AS to_order
    ON to_order.from_type = 'invoice' AND to_order.to_type = 'order'
    AND to_order.from_id = invoice.source || ':' || invoice.source_id
LEFT JOIN identity.sales_order AS sold ON sold.order_id = to_order.to_id
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || invoice.source || ':' || invoice.contact_id
LEFT JOIN identity.account AS account
    ON account.source = invoice.source AND account.source_id = invoice.company_id
LEFT JOIN core.fx_rate AS fx ON fx.currency = invoice.currency AND fx.date = invoice.issued_date
