-- One row per contact, blocked ones too.
SELECT
    id AS source_id,
    payload->>'$.unique_external_id' AS external_id,
    payload->>'$.name' AS full_name,
    payload->>'$.email' AS email,
    coalesce(payload->>'$.phone', payload->>'$.mobile') AS phone,
    payload->>'$.job_title' AS job_title,
    -- Freshdesk has one field for the whole address.
    payload->>'$.address' AS street,
    payload->>'$.language' AS language,
    payload->>'$.created_at' AS created_at
FROM raw.contacts
