-- One row per sales representative; their names are not published.
SELECT sdr_id AS source_id, 'sales development' AS role, TRUE AS is_active
FROM raw.closed_deals
WHERE sdr_id IS NOT NULL
UNION
SELECT sr_id AS source_id, 'sales' AS role, TRUE AS is_active
FROM raw.closed_deals
WHERE sr_id IS NOT NULL AND sr_id NOT IN (SELECT sdr_id FROM raw.closed_deals WHERE sdr_id IS NOT NULL)
