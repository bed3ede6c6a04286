-- One row per article and place that the shop keeps count of, as of its last change.
SELECT
    id AS source_id,
    payload->>'$.item.sku' AS sku,
    payload->>'$.location.name' AS location,
    substr(payload->>'$.updatedAt', 1, 10) AS date,
    (
        SELECT max(amount->>'$.quantity') FROM unnest(CAST(payload->'$.quantities' AS JSON[])) AS each(amount)
        WHERE (amount->>'$.name') = 'on_hand'
    ) AS on_hand,
    (
        SELECT max(amount->>'$.quantity') FROM unnest(CAST(payload->'$.quantities' AS JSON[])) AS each(amount)
        WHERE (amount->>'$.name') = 'committed'
    ) AS reserved,
    (
        SELECT max(amount->>'$.quantity') FROM unnest(CAST(payload->'$.quantities' AS JSON[])) AS each(amount)
        WHERE (amount->>'$.name') = 'incoming'
    ) AS incoming
FROM raw.inventory_levels
-- Articles that the shop does not count may be counted elsewhere; their numbers here say nothing.
WHERE (payload->>'$.item.tracked') = 'true' AND (payload->>'$.isActive') = 'true'
