-- One row per invoice.
-- Most currencies have a hundred minor units, some none and some a thousand: docs.stripe.com/currencies.
WITH minor AS (
    SELECT unnest(['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'])
        AS currency, 1 AS units
    UNION ALL
    SELECT unnest(['bhd', 'jod', 'kwd', 'omr', 'tnd']) AS currency, 1000 AS units
)
SELECT
    invoice.id AS source_id,
    -- A draft gets its number when it is finalised.
    coalesce(invoice.payload->>'$.number', invoice.id) AS invoice_number,
    'sales' AS direction,
    invoice.payload->>'$.customer' AS contact_id,
    invoice.payload->>'$.metadata.order_number' AS order_number,
    CASE invoice.payload->>'$.status'
        -- Given up as bad debt, still owed.
        WHEN 'uncollectible' THEN 'overdue'
        ELSE invoice.payload->>'$.status'
    END AS status,
    TRY_CAST(
        coalesce(invoice.payload->>'$.total_excluding_tax', invoice.payload->>'$.subtotal') AS DECIMAL(18, 4)
    ) / coalesce(minor.units, 100) AS subtotal,
    TRY_CAST(invoice.payload->>'$.tax' AS DECIMAL(18, 4)) / coalesce(minor.units, 100) AS tax,
    TRY_CAST(invoice.payload->>'$.total' AS DECIMAL(18, 4)) / coalesce(minor.units, 100) AS total,
    invoice.payload->>'$.currency' AS currency,
    CAST(
        to_timestamp(
            TRY_CAST(
                coalesce(invoice.payload->>'$.status_transitions.finalized_at', invoice.payload->>'$.created') AS BIGINT
            )
        ) AS DATE
    ) AS issued_date,
    CAST(to_timestamp(TRY_CAST(invoice.payload->>'$.due_date' AS BIGINT)) AS DATE) AS due_date,
    to_timestamp(TRY_CAST(invoice.payload->>'$.status_transitions.paid_at' AS BIGINT)) AS paid_at
FROM raw.invoices AS invoice
LEFT JOIN minor ON minor.currency = (invoice.payload->>'$.currency')
