-- One row per product, with the price in the first of its currencies.
SELECT
    id AS source_id,
    payload->>'$.code' AS sku,
    payload->>'$.name' AS name,
    payload->>'$.category' AS category,
    payload->>'$.prices[0].price' AS price,
    payload->>'$.prices[0].cost' AS cost,
    payload->>'$.prices[0].currency' AS currency,
    (payload->>'$.is_linkable') = 'true' AS is_active,
    payload->>'$.add_time' AS created_at
FROM raw.products
