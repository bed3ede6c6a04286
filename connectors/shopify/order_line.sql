-- One row per line of an order.
SELECT
    regexp_extract(line->>'$.id', '[0-9]+$') AS source_id,
    sold.id AS order_id,
    place AS line_number,
    line->>'$.variant.legacyResourceId' AS product_id,
    line->>'$.sku' AS sku,
    line->>'$.title' AS product_name,
    line->>'$.quantity' AS quantity,
    line->>'$.originalUnitPriceSet.presentmentMoney.amount' AS unit_price,
    -- Discounts on the whole order are dealt out to its lines here, and nowhere else.
    coalesce(list_aggregate(CAST(
        (line->>'$.discountAllocations[*].allocatedAmountSet.presentmentMoney.amount') AS DECIMAL(18, 4)[]
    ), 'sum'), 0) AS discount,
    CAST(line->>'$.originalTotalSet.presentmentMoney.amount' AS DECIMAL(18, 4)) - coalesce(list_aggregate(CAST(
        (line->>'$.discountAllocations[*].allocatedAmountSet.presentmentMoney.amount') AS DECIMAL(18, 4)[]
    ), 'sum'), 0) AS total,
    line->>'$.originalUnitPriceSet.presentmentMoney.currencyCode' AS currency
FROM raw.orders AS sold, unnest(CAST(sold.payload->'$.lineItems' AS JSON[])) WITH ORDINALITY AS each(line, place)
WHERE (sold.payload->>'$.test') = 'false'
