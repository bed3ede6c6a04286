-- One row per comment on a ticket.
SELECT
    part->>'$.id' AS source_id,
    event.payload->>'$.ticket_id' AS ticket_id,
    CASE
        WHEN (author.payload->>'$.role') = 'end-user' THEN 'customer'
        WHEN (author.payload->>'$.role') IN ('agent', 'admin') THEN 'agent'
        ELSE 'system'
    END AS author_kind,
    part->>'$.author_id' AS author_id,
    part->>'$.body' AS body,
    part->>'$.public' AS is_public,
    part->>'$.created_at' AS sent_at
FROM raw.ticket_events AS event
CROSS JOIN unnest(CAST(event.payload->'$.child_events' AS JSON[])) AS parts(part)
LEFT JOIN raw.users AS author ON author.id = (part->>'$.author_id')
WHERE (part->>'$.event_type') = 'Comment' AND (part->>'$.body') IS NOT NULL
