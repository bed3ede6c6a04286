-- One row per variant; what is bought and stocked is a variant, also where a product has only one.
SELECT
    variant->>'$.legacyResourceId' AS source_id,
    variant->>'$.sku' AS sku,
    CASE
        WHEN (variant->>'$.title') = 'Default Title' THEN product.payload->>'$.title'
        ELSE concat(product.payload->>'$.title', ' ', variant->>'$.title')
    END AS name,
    product.payload->>'$.productType' AS category,
    product.payload->>'$.vendor' AS brand,
    variant->>'$.price' AS price,
    variant->>'$.inventoryItem.unitCost.amount' AS cost,
    -- Prices are in the shop's own currency, which a variant does not repeat.
    product.payload->>'$.priceRangeV2.minVariantPrice.currencyCode' AS currency,
    variant->>'$.barcode' AS barcode,
    CAST(variant->>'$.inventoryItem.measurement.weight.value' AS DOUBLE)
    * CASE variant->>'$.inventoryItem.measurement.weight.unit'
        WHEN 'GRAMS' THEN 1
        WHEN 'KILOGRAMS' THEN 1000
        WHEN 'OUNCES' THEN 28.349523125
        WHEN 'POUNDS' THEN 453.59237
    END AS weight_grams,
    (product.payload->>'$.status') = 'ACTIVE' AS is_active,
    variant->>'$.createdAt' AS created_at
FROM raw.products AS product, unnest(CAST(product.payload->'$.variants' AS JSON[])) AS each(variant)
