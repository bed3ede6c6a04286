-- One row per product record of a source, and per (source, SKU) that orders or stock name without a product record.
WITH described AS (
    SELECT
        'product:' || source || ':' || source_id AS record_id,
        source,
        source_id,
        nullif(sku, '') AS sku
    FROM clean.product
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
    record_id,
    source,
    source_id,
    sku,
    coalesce('sku:' || sku, source || ':' || source_id) AS product_id,
    CASE WHEN sku IS NULL THEN 'own_id' ELSE 'sku' END AS evidence
FROM described
UNION ALL
SELECT record_id, source, NULL AS source_id, sku, 'sku:' || sku AS product_id, 'sku' AS evidence
FROM implied
