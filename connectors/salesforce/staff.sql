-- One row per user; users are never deleted but lose their access.
SELECT
    id AS source_id,
    payload->>'$.Name' AS full_name,
    payload->>'$.Email' AS email,
    payload->>'$.Title' AS role,
    payload->>'$.Department' AS team,
    payload->>'$.IsActive' AS is_active
FROM raw.users
