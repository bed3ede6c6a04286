-- One row per product record of a source, and per (source, SKU) that orders or stock name without a product record.
WITH described AS (
    SELECT
        'product:' || source || ':' || source_id AS record_id,
        source,
        source_id,
        nullif(sku, '') AS sku,
        nullif(barcode, '') AS barcode,
        -- The 'g' flag is DuckDB's and PostgreSQL's; other engines replace every match anyway.
        nullif(trim(regexp_replace(lower(name), '[^\p{L}\p{N}]+', ' ', 'g')), '') AS plain_name
    FROM clean.product
),
-- What exactly one SKU has tells the SKU of a record that has none.
sku_of_barcode AS (
    SELECT barcode, min(sku) AS sku
    FROM described
    WHERE barcode IS NOT NULL AND sku IS NOT NULL
    GROUP BY barcode
    HAVING count(DISTINCT sku) = 1
),
-- A name that one source has on several records names none of them.
own_name AS (
    SELECT plain_name
    FROM (SELECT source, plain_name, count(*) AS records FROM described GROUP BY source, plain_name) AS counted
    GROUP BY plain_name
    HAVING max(records) = 1
),
sku_of_name AS (
    SELECT described.plain_name, min(described.sku) AS sku
    FROM described
    INNER JOIN own_name ON own_name.plain_name = described.plain_name
    WHERE described.sku IS NOT NULL
    GROUP BY described.plain_name
    HAVING count(DISTINCT described.sku) = 1
),
-- Under a name with several SKUs a record without one may be any of them.
free_name AS (
    SELECT own_name.plain_name
    FROM own_name
    INNER JOIN described ON described.plain_name = own_name.plain_name
    GROUP BY own_name.plain_name
    HAVING count(described.sku) = 0 AND count(DISTINCT described.source) > 1
),
named AS (
    SELECT source, sku, product_id FROM clean.order_line WHERE NOT is_deleted
    UNION
    SELECT source, sku, product_id FROM clean.inventory_level WHERE NOT is_deleted
    UNION
    SELECT source, sku, product_id FROM clean.purchase_order WHERE NOT is_deleted
),
implied AS (
    SELECT DISTINCT 'sku:' || named.source || ':' || named.sku AS record_id, named.source, named.sku
    FROM named
    LEFT JOIN described ON described.source = named.source AND described.source_id = named.product_id
    WHERE described.source_id IS NULL AND named.sku <> ''
)
SELECT
    described.record_id,
    described.source,
    described.source_id,
    described.sku,
    coalesce(
        'sku:' || described.sku,
        'sku:' || sku_of_barcode.sku,
        'sku:' || sku_of_name.sku,
        'name:' || free_name.plain_name,
        described.source || ':' || described.source_id
    ) AS product_id,
    CASE
        WHEN described.sku IS NOT NULL THEN 'sku'
        WHEN sku_of_barcode.sku IS NOT NULL THEN 'barcode'
        WHEN sku_of_name.sku IS NOT NULL OR free_name.plain_name IS NOT NULL THEN 'name'
        ELSE 'own_id'
    END AS evidence
FROM described
LEFT JOIN sku_of_barcode ON sku_of_barcode.barcode = described.barcode
LEFT JOIN sku_of_name ON sku_of_name.plain_name = described.plain_name
LEFT JOIN free_name ON free_name.plain_name = described.plain_name
UNION ALL
SELECT record_id, source, NULL AS source_id, sku, 'sku:' || sku AS product_id, 'sku' AS evidence
FROM implied
