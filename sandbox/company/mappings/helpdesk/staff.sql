-- One row per agent.
SELECT
    id AS source_id,
    name AS full_name,
    email,
    role,
    'Kundenservice' AS team,
    active AS is_active
FROM raw.users
WHERE role <> 'end-user'
