-- One row per conversation.
SELECT
    conversation.id AS source_id,
    conversation.id AS ticket_number,
    conversation.payload->>'$.contacts.contacts[0].id' AS contact_id,
    -- Intercom has no such attribute of its own; it is filled where the company made one of that name.
    coalesce(
        conversation.payload->>'$.custom_attributes.order_number',
        conversation.payload->>'$.custom_attributes."Order number"'
    ) AS order_number,
    coalesce(conversation.payload->>'$.title', nullif(conversation.payload->>'$.source.subject', '')) AS subject,
    conversation.payload->>'$.source.body' AS description,
    CASE conversation.payload->>'$.state' WHEN 'snoozed' THEN 'hold' ELSE conversation.payload->>'$.state' END AS status,
    CASE conversation.payload->>'$.priority'
        WHEN 'none' THEN NULL
        WHEN 'medium' THEN 'normal'
        ELSE conversation.payload->>'$.priority'
    END AS priority,
    conversation.payload->>'$.tags.tags[0].name' AS topic,
    conversation.payload->>'$.source.type' AS channel,
    conversation.payload->>'$.admin_assignee_id' AS assignee_id,
    team.payload->>'$.name' AS team,
    CASE
        WHEN CAST(conversation.payload->>'$.conversation_rating.rating' AS INTEGER) >= 4 THEN 'good'
        WHEN CAST(conversation.payload->>'$.conversation_rating.rating' AS INTEGER) <= 2 THEN 'bad'
    END AS satisfaction,
    to_timestamp(TRY_CAST(conversation.payload->>'$.created_at' AS BIGINT)) AS created_at,
    to_timestamp(TRY_CAST(conversation.payload->>'$.statistics.first_admin_reply_at' AS BIGINT)) AS first_reply_at,
    CASE
        WHEN (conversation.payload->>'$.state') = 'closed'
            THEN to_timestamp(TRY_CAST(conversation.payload->>'$.statistics.last_close_at' AS BIGINT))
    END AS solved_at
FROM raw.conversations AS conversation
LEFT JOIN raw.teams AS team ON team.id = (conversation.payload->>'$.team_assignee_id')
