-- One row per message.
SELECT
    id AS source_id,
    ticket_id,
    CASE author_role WHEN 'end-user' THEN 'customer' WHEN 'agent' THEN 'agent' ELSE 'system' END AS author_kind,
    author_id,
    body,
    "public" AS is_public,
    created_at AS sent_at
FROM raw.ticket_comments
