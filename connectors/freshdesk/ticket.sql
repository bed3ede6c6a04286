-- One row per ticket.
SELECT
    ticket.id AS source_id,
    ticket.id AS ticket_number,
    ticket.payload->>'$.requester_id' AS contact_id,
    ticket.payload->>'$.requester.email' AS email,
    -- Freshdesk has no such field of its own; it is filled where the company made one of that name.
    ticket.payload->>'$.custom_fields.cf_order_number' AS order_number,
    ticket.payload->>'$.subject' AS subject,
    ticket.payload->>'$.description_text' AS description,
    -- From 6 on statuses are the company's own; the first two exist from the beginning and mean that somebody waits.
    CASE ticket.payload->>'$.status'
        WHEN '2' THEN 'open'
        WHEN '3' THEN 'pending'
        WHEN '4' THEN 'solved'
        WHEN '5' THEN 'closed'
        WHEN '6' THEN 'pending'
        WHEN '7' THEN 'hold'
        ELSE 'open'
    END AS status,
    CASE ticket.payload->>'$.priority'
        WHEN '1' THEN 'low'
        WHEN '2' THEN 'normal'
        WHEN '3' THEN 'high'
        WHEN '4' THEN 'urgent'
    END AS priority,
    ticket.payload->>'$.type' AS kind,
    ticket.payload->>'$.tags[0]' AS topic,
    CASE ticket.payload->>'$.source'
        WHEN '1' THEN 'email'
        WHEN '2' THEN 'web'
        WHEN '3' THEN 'phone'
        WHEN '7' THEN 'chat'
        WHEN '9' THEN 'widget'
        WHEN '10' THEN 'outbound email'
    END AS channel,
    ticket.payload->>'$.responder_id' AS assignee_id,
    team.payload->>'$.name' AS team,
    ticket.payload->>'$.created_at' AS created_at,
    ticket.payload->>'$.stats.first_responded_at' AS first_reply_at,
    coalesce(ticket.payload->>'$.stats.resolved_at', ticket.payload->>'$.stats.closed_at') AS solved_at
FROM raw.tickets AS ticket
LEFT JOIN raw.groups AS team ON team.id = (ticket.payload->>'$.group_id')
