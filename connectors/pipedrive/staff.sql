-- One row per user; those who left are inactive.
SELECT
    id AS source_id,
    payload->>'$.name' AS full_name,
    payload->>'$.email' AS email,
    (payload->>'$.active_flag') = 'true' AS is_active,
    FALSE AS is_deleted
FROM raw.users
