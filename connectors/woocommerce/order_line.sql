-- One row per line of an order, with tax where the shop's prices are with tax.
SELECT
    line->>'$.id' AS source_id,
    sold.id AS order_id,
    place AS line_number,
    coalesce(nullif(line->>'$.variation_id', '0'), nullif(line->>'$.product_id', '0')) AS product_id,
    line->>'$.sku' AS sku,
    line->>'$.name' AS product_name,
    line->>'$.quantity' AS quantity,
    (
        CAST(line->>'$.subtotal' AS DECIMAL(18, 4))
        + CASE
            WHEN (sold.payload->>'$.prices_include_tax') = 'true' THEN CAST(line->>'$.subtotal_tax' AS DECIMAL(18, 4))
            ELSE 0
        END
    ) / nullif(CAST(line->>'$.quantity' AS DOUBLE), 0) AS unit_price,
    -- Coupons of the whole order are dealt out to its lines: subtotal is before them, total after.
    CAST(line->>'$.subtotal' AS DECIMAL(18, 4)) - CAST(line->>'$.total' AS DECIMAL(18, 4))
    + CASE
        WHEN (sold.payload->>'$.prices_include_tax') = 'true'
            THEN CAST(line->>'$.subtotal_tax' AS DECIMAL(18, 4)) - CAST(line->>'$.total_tax' AS DECIMAL(18, 4))
        ELSE 0
    END AS discount,
    CAST(line->>'$.total' AS DECIMAL(18, 4))
    + CASE
        WHEN (sold.payload->>'$.prices_include_tax') = 'true' THEN CAST(line->>'$.total_tax' AS DECIMAL(18, 4))
        ELSE 0
    END AS total,
    sold.payload->>'$.currency' AS currency
FROM raw.orders AS sold, unnest(CAST(sold.payload->'$.line_items' AS JSON[])) WITH ORDINALITY AS each(line, place)
WHERE (sold.payload->>'$.status') <> 'checkout-draft'
