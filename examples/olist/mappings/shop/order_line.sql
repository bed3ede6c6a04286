-- One row per item. Olist writes every unit as an item of its own.
SELECT
    order_id || '-' || order_item_id AS source_id,
    order_id,
    order_item_id AS line_number,
    product_id,
    1 AS quantity,
    price AS unit_price,
    price AS total,
    freight_value AS shipping,
    'BRL' AS currency,
    seller_id
FROM raw.order_items
