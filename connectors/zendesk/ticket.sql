-- One row per ticket.
WITH ordered AS (
    -- Zendesk has no field for an order's number; a field of the company's own is known by its title.
    SELECT
        ticket.id,
        min(entry->>'$.value') AS order_number
    FROM raw.tickets AS ticket, unnest(CAST(ticket.payload->'$.custom_fields' AS JSON[])) AS entries(entry)
    WHERE (entry->>'$.id') IN (
        SELECT id
        FROM raw.ticket_fields
        WHERE regexp_matches(payload->>'$.title', '^(order|bestell|auftrags)[ _-]?(number|no\.?|id|nummer|nr\.?)$', 'i')
    )
    GROUP BY ticket.id
)
SELECT
    ticket.id AS source_id,
    ticket.id AS ticket_number,
    ticket.payload->>'$.requester_id' AS contact_id,
    ordered.order_number,
    ticket.payload->>'$.subject' AS subject,
    ticket.payload->>'$.description' AS description,
    -- What is deleted before it was ever read has no other status.
    CASE WHEN (ticket.payload->>'$.status') = 'deleted' THEN 'closed' ELSE ticket.payload->>'$.status' END AS status,
    ticket.payload->>'$.priority' AS priority,
    ticket.payload->>'$.type' AS kind,
    ticket.payload->>'$.tags[0]' AS topic,
    CASE ticket.payload->>'$.via.channel' WHEN 'voice' THEN 'phone' ELSE ticket.payload->>'$.via.channel' END AS channel,
    ticket.payload->>'$.assignee_id' AS assignee_id,
    team.payload->>'$.name' AS team,
    ticket.payload->>'$.satisfaction_rating.score' AS satisfaction,
    ticket.payload->>'$.created_at' AS created_at,
    -- Zendesk counts whole minutes until the first public reply.
    TRY_CAST(ticket.payload->>'$.created_at' AS TIMESTAMPTZ)
    + to_minutes(TRY_CAST(ticket.payload->>'$.metric_set.reply_time_in_minutes.calendar' AS BIGINT)) AS first_reply_at,
    ticket.payload->>'$.metric_set.solved_at' AS solved_at
FROM raw.tickets AS ticket
LEFT JOIN ordered ON ordered.id = ticket.id
LEFT JOIN raw.groups AS team ON team.id = (ticket.payload->>'$.group_id')
