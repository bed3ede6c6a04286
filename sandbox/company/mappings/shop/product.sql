-- One row per variant.
SELECT
    product_id AS source_id,
    variant_sku AS sku,
    title AS name,
    type AS category,
    vendor AS brand,
    variant_price AS price,
    currency,
    variant_barcode AS barcode,
    variant_grams AS weight_grams,
    status = 'active' AS is_active,
    created_at
FROM raw.products
