-- One row per product, place and day of a source's stock count.
SELECT
    level.source || ':' || level.source_id AS inventory_id,
    level.source,
    level.source_id,
    coalesce(by_id.product_id, by_sku.product_id) AS product_id,
    level.sku,
    coalesce(product.name, level.sku) AS product_name,
    product.category,
    level.location,
    level.date,
    level.on_hand,
    level.reserved,
    level.incoming,
    level.reorder_point,
    level.on_hand - coalesce(level.reserved, 0) AS available
FROM clean.inventory_level AS level
LEFT JOIN identity.product AS by_id
    ON by_id.source = level.source AND by_id.source_id = level.product_id
LEFT JOIN identity.product AS by_sku ON by_sku.record_id = 'sku:' || level.source || ':' || level.sku
LEFT JOIN core.product AS product ON product.product_id = coalesce(by_id.product_id, by_sku.product_id)
WHERE NOT level.is_deleted
