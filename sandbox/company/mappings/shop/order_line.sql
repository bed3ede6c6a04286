-- One row per product line of an order.
SELECT
    line_id AS source_id,
    order_id,
    position AS line_number,
    product_id,
    lineitem_sku AS sku,
    lineitem_name AS product_name,
    lineitem_quantity AS quantity,
    lineitem_price AS unit_price,
    lineitem_discount AS discount,
    lineitem_total AS total,
    currency
FROM raw.order_lines
