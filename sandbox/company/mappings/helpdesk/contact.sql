-- One row per person who wrote to us.
SELECT
    id AS source_id,
    name AS full_name,
    email,
    phone,
    locale AS language,
    created_at
FROM raw.users
WHERE role = 'end-user'
