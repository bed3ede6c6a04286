-- One row per article: a product that is sold as it is, or a variation of one.
WITH own AS (
    -- Currency and unit of weight are settings of the shop, which products do not repeat.
    SELECT
        max(payload->>'$.value') FILTER (id = 'woocommerce_currency') AS currency,
        max(payload->>'$.value') FILTER (id = 'woocommerce_weight_unit') AS unit
    FROM raw.settings
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
    TRY_CAST(article.payload->>'$.weight' AS DOUBLE)
    * CASE own.unit WHEN 'g' THEN 1 WHEN 'kg' THEN 1000 WHEN 'oz' THEN 28.349523125 WHEN 'lbs' THEN 453.59237 END
        AS weight_grams,
    (article.payload->>'$.status') = 'publish' AS is_active,
    (article.payload->>'$.date_created_gmt') || 'Z' AS created_at,
    article.modified_at AS source_updated_at,
    article.is_deleted
FROM article
CROSS JOIN own
