-- One row per conversation that its customer rated.
SELECT
    id AS source_id,
    payload->>'$.conversation_rating.contact.id' AS contact_id,
    'satisfaction' AS kind,
    payload->>'$.conversation_rating.rating' AS rating,
    5 AS rating_max,
    nullif(payload->>'$.conversation_rating.remark', '') AS comment,
    to_timestamp(TRY_CAST(payload->>'$.conversation_rating.created_at' AS BIGINT)) AS submitted_at
FROM raw.conversations
WHERE (payload->>'$.conversation_rating.rating') IS NOT NULL
