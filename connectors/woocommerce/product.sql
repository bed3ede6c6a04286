-- One row per article: a product that is sold as it is, or a variation of one.
WITH own AS (
    -- Prices are in the shop's currency, which neither repeats.
    SELECT any_value(id) AS currency
    FROM raw.currency
    WHERE NOT is_deleted
),
article AS (
    SELECT id, payload, payload AS product, modified_at, is_deleted
    FROM raw.products
    WHERE (payload->>'$.type') NOT IN ('variable', 'variable-subscription', 'grouped')
    UNION ALL
    SELECT variation.id, variation.payload, product.payload, variation.modified_at, variation.is_deleted
    FROM raw.variations AS variation
    LEFT JOIN raw.products AS product ON product.id = (variation.payload->>'$.parent_id')
)
SELECT
    article.id AS source_id,
    article.payload->>'$.sku' AS sku,
    article.payload->>'$.name' AS name,
    article.product->>'$.categories[0].name' AS category,
    article.product->>'$.brands[0].name' AS brand,
    article.payload->>'$.price' AS price,
    own.currency,
    article.payload->>'$.global_unique_id' AS barcode,
    (article.payload->>'$.status') = 'publish' AS is_active,
    (article.payload->>'$.date_created_gmt') || 'Z' AS created_at,
    article.modified_at AS source_updated_at,
    article.is_deleted
FROM article
CROSS JOIN own
