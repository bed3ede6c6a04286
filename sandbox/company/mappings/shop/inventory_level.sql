-- One row per article and place.
SELECT
    id AS source_id,
    payload->>'$.item.sku' AS sku,
    payload->>'$.location.name' AS location,
    substr(payload->>'$.updatedAt', 1, 10) AS date,
    (
        SELECT max(amount->>'$.quantity') FROM unnest(CAST(payload->'$.quantities' AS JSON[])) AS each(amount)
        WHERE (amount->>'$.name') = 'on_hand'
    ) AS on_hand
FROM raw.inventory_levels
-- What lies in the company's own warehouse the ERP counts, day by day; the shop shows what it was last told.
WHERE (payload->>'$.location.name') <> 'Lager Mühlbach'
