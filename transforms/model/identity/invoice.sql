-- One row per invoice of a source: how far its number can be trusted as a key, and which order number it names.
WITH numbered AS (
    SELECT
        source || ':' || source_id AS invoice_id,
        source,
        source_id,
        direction,
        nullif(upper(replace(trim(invoice_number), '#', '')), '') AS invoice_number,
        nullif(upper(replace(trim(order_number), '#', '')), '') AS order_number
    FROM clean.invoice
    WHERE NOT is_deleted
)
SELECT
    invoice_id,
    source,
    source_id,
    invoice_number,
    CASE
        WHEN invoice_number IS NULL THEN NULL
        -- Bills carry the numbers of those who sent them.
        WHEN direction <> 'sales' THEN 'none'
        WHEN count(*) OVER (PARTITION BY direction, invoice_number) = 1 THEN 'company'
        WHEN count(*) OVER (PARTITION BY direction, invoice_number, source) = 1 THEN 'source'
        ELSE 'none'
    END AS number_scope,
    order_number
FROM numbered
