-- One row per product. Names are not published; the category stands in English where Olist translates it.
SELECT
    products.product_id AS source_id,
    products.product_id AS sku,
    coalesce(categories.product_category_name_english, products.product_category_name) AS category,
    products.product_weight_g AS weight_grams
FROM raw.products AS products
LEFT JOIN raw.categories AS categories
    ON categories.product_category_name = products.product_category_name
