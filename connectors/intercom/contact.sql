-- One row per contact, user or lead.
SELECT
    id AS source_id,
    payload->>'$.external_id' AS external_id,
    payload->>'$.name' AS full_name,
    payload->>'$.email' AS email,
    payload->>'$.phone' AS phone,
    payload->>'$.companies.data[0].id' AS company_id,
    payload->>'$.location.city' AS city,
    payload->>'$.location.region' AS region,
    payload->>'$.location.country' AS country,
    coalesce(payload->>'$.language_override', payload->>'$.browser_language') AS language,
    payload->>'$.role' AS lifecycle_stage,
    payload->>'$.owner_id' AS owner_id,
    NOT CAST(payload->>'$.unsubscribed_from_emails' AS BOOLEAN) AS is_subscribed,
    to_timestamp(TRY_CAST(payload->>'$.created_at' AS BIGINT)) AS created_at
FROM raw.contacts
