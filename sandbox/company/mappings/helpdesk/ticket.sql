-- One row per ticket.
SELECT
    id AS source_id,
    id AS ticket_number,
    requester_id AS contact_id,
    json_extract_string(custom_fields, '$.order_number') AS order_number,
    subject,
    description,
    status,
    priority,
    type AS kind,
    json_extract_string(tags, '$[0]') AS topic,
    json_extract_string(via, '$.channel') AS channel,
    assignee_id,
    "group" AS team,
    created_at,
    json_extract_string(metrics, '$.first_reply_at') AS first_reply_at,
    json_extract_string(metrics, '$.solved_at') AS solved_at
FROM raw.tickets
