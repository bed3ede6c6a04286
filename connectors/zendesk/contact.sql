-- One row per person who wrote to the desk.
SELECT
    id AS source_id,
    payload->>'$.external_id' AS external_id,
    payload->>'$.name' AS full_name,
    payload->>'$.email' AS email,
    payload->>'$.phone' AS phone,
    payload->>'$.locale' AS language,
    payload->>'$.created_at' AS created_at
FROM raw.users
WHERE (payload->>'$.role') = 'end-user'
