-- One row per message: what a ticket began with, and each answer and note in it.
WITH first AS (
    SELECT
        'ticket:' || id AS source_id,
        id AS ticket_id,
        -- Agents open tickets for customers by telephone and by outbound e-mail.
        CASE WHEN (payload->>'$.source') = '10' THEN 'agent' ELSE 'customer' END AS author_kind,
        CASE
            WHEN (payload->>'$.source') = '10' THEN payload->>'$.responder_id' ELSE payload->>'$.requester_id'
        END AS author_id,
        payload->>'$.description_text' AS body,
        TRUE AS is_public,
        payload->>'$.created_at' AS sent_at,
        modified_at AS source_updated_at,
        is_deleted
    FROM raw.tickets
),
further AS (
    SELECT
        said->>'$.id' AS source_id,
        conversation.id AS ticket_id,
        CASE WHEN (said->>'$.incoming') = 'true' THEN 'customer' ELSE 'agent' END AS author_kind,
        said->>'$.user_id' AS author_id,
        said->>'$.body_text' AS body,
        (said->>'$.private') = 'false' AS is_public,
        said->>'$.created_at' AS sent_at,
        coalesce(TRY_CAST(said->>'$.updated_at' AS TIMESTAMPTZ), conversation.modified_at) AS source_updated_at,
        conversation.is_deleted
    FROM
        raw.conversations AS conversation,
        unnest(CAST(conversation.payload->'$.conversations' AS JSON[])) AS messages(said)
)
SELECT source_id, ticket_id, author_kind, author_id, body, is_public, sent_at, source_updated_at, is_deleted
FROM first
UNION ALL
SELECT source_id, ticket_id, author_kind, author_id, body, is_public, sent_at, source_updated_at, is_deleted
FROM further
