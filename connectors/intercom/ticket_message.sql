-- One row per message: what began a conversation, and what was said later.
WITH said AS (
    SELECT id, 'source' AS part_id, 'comment' AS kind, payload->'$.source' AS message, payload->>'$.created_at' AS at,
        modified_at, is_deleted
    FROM raw.conversations
    UNION ALL
    SELECT conversation.id, part->>'$.id', part->>'$.part_type', part, part->>'$.created_at',
        conversation.modified_at, conversation.is_deleted
    FROM
        raw.conversations AS conversation,
        unnest(CAST(conversation.payload->'$.conversation_parts.conversation_parts' AS JSON[])) AS parts(part)
)
SELECT
    said.id || ':' || said.part_id AS source_id,
    said.id AS ticket_id,
    CASE
        WHEN (said.message->>'$.author.type') IN ('user', 'lead', 'contact') THEN 'customer'
        WHEN (said.message->>'$.author.type') IN ('admin', 'team') THEN 'agent'
        ELSE 'system'
    END AS author_kind,
    said.message->>'$.author.id' AS author_id,
    said.message->>'$.body' AS body,
    said.kind <> 'note' AS is_public,
    to_timestamp(TRY_CAST(said.at AS BIGINT)) AS sent_at,
    said.modified_at AS source_updated_at,
    said.is_deleted
FROM said
WHERE nullif(said.message->>'$.body', '') IS NOT NULL
