-- One row per request to the helpdesk.
WITH dated AS (
    SELECT
        ticket.*,
        CAST(ticket.created_at AT TIME ZONE night.timezone AS DATE) AS created_date,
        CAST(ticket.solved_at AT TIME ZONE night.timezone AS DATE) AS solved_date
    FROM clean.ticket AS ticket
    CROSS JOIN meta.night AS night
    WHERE NOT ticket.is_deleted
),
messages AS (
    SELECT
        source,
        ticket_id,
        count(*) AS messages,
        sum(CASE WHEN author_kind = 'agent' AND coalesce(is_public, TRUE) THEN 1 ELSE 0 END) AS agent_replies,
        min(CASE WHEN author_kind = 'agent' AND coalesce(is_public, TRUE) THEN sent_at END) AS first_agent_at
    FROM clean.ticket_message
    WHERE NOT is_deleted
    GROUP BY source, ticket_id
),
linked AS (
    SELECT
        ticket.*,
        coalesce(by_contact.customer_id, by_email.customer_id, by_number.customer_id) AS customer_id,
        by_number.order_id,
        staff.staff_id,
        coalesce(ticket.first_reply_at, messages.first_agent_at) AS replied_at,
        coalesce(messages.messages, 0) AS messages,
        coalesce(messages.agent_replies, 0) AS agent_replies,
        ticket.status NOT IN ('solved', 'closed') AS is_open
    FROM dated AS ticket
    LEFT JOIN messages ON messages.source = ticket.source AND messages.ticket_id = ticket.source_id
    LEFT JOIN identity.order_reference AS by_number
        ON by_number.source = ticket.source AND by_number.order_number = ticket.order_number
    LEFT JOIN identity.assignment AS by_contact
        ON by_contact.record_id = 'contact:' || ticket.source || ':' || ticket.contact_id
    LEFT JOIN identity.assignment AS by_email
        ON by_email.record_id = 'email:' || ticket.source || ':' || ticket.email
    LEFT JOIN identity.staff AS staff ON staff.source = ticket.source AND staff.source_id = ticket.assignee_id
)
SELECT
    source || ':' || source_id AS ticket_id,
    source,
    source_id,
    ticket_number,
    customer_id,
    order_id,
    subject,
    status,
    priority,
    kind,
    topic,
    channel,
    staff_id AS assignee_id,
    team,
    satisfaction,
    created_at,
    created_date,
    replied_at AS first_reply_at,
    solved_at,
    solved_date,
    -- Replies and solutions before the ticket was opened are mistakes of the source and measure nothing.
    CASE WHEN replied_at >= created_at THEN date_diff('second', created_at, replied_at) / 3600.0e0 END
        AS first_reply_hours,
    CASE WHEN solved_at >= created_at THEN date_diff('second', created_at, solved_at) / 3600.0e0 END
        AS resolution_hours,
    messages,
    agent_replies,
    is_open,
    NOT is_open AND agent_replies = 1 AS is_one_touch,
    is_open AND solved_at IS NOT NULL AS is_reopened
FROM linked
