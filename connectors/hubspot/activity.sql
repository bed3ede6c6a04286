-- One row per call, e-mail, meeting or note.
WITH engagement AS (
    SELECT 'calls' AS type, 'call' AS kind, payload->>'$.properties.hs_call_title' AS subject, * FROM raw.calls
    UNION ALL
    SELECT 'emails', 'email', payload->>'$.properties.hs_email_subject', * FROM raw.emails
    UNION ALL
    SELECT 'meetings', 'meeting', payload->>'$.properties.hs_meeting_title', * FROM raw.meetings
    UNION ALL
    SELECT 'notes', 'note', regexp_replace(payload->>'$.properties.hs_note_body', '<[^>]*>', '', 'g'), * FROM raw.notes
)
SELECT
    engagement.type || ':' || engagement.id AS source_id,
    engagement.kind,
    engagement.subject,
    contact.payload->>'$.to[0].toObjectId' AS contact_id,
    company.payload->>'$.to[0].toObjectId' AS company_id,
    deal.payload->>'$.to[0].toObjectId' AS deal_id,
    engagement.payload->>'$.properties.hubspot_owner_id' AS owner_id,
    coalesce(
        engagement.payload->>'$.properties.hs_call_status',
        engagement.payload->>'$.properties.hs_meeting_outcome',
        engagement.payload->>'$.properties.hs_email_status'
    ) AS outcome,
    coalesce(
        TRY_CAST(engagement.payload->>'$.properties.hs_call_duration' AS DECIMAL(18, 3)) / 60000,
        date_diff(
            'minute',
            TRY_CAST(engagement.payload->>'$.properties.hs_meeting_start_time' AS TIMESTAMPTZ),
            TRY_CAST(engagement.payload->>'$.properties.hs_meeting_end_time' AS TIMESTAMPTZ)
        )
    ) AS duration_minutes,
    engagement.payload->>'$.properties.hs_timestamp' AS occurred_at,
    engagement.modified_at AS source_updated_at,
    engagement.is_deleted
FROM engagement
LEFT JOIN raw.associations AS contact
    ON contact.id = engagement.type || ':' || engagement.id || ':contacts'
LEFT JOIN raw.associations AS company
    ON company.id = engagement.type || ':' || engagement.id || ':companies'
LEFT JOIN raw.associations AS deal
    ON deal.id = engagement.type || ':' || engagement.id || ':deals'
