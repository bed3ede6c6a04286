-- One row per engagement.
SELECT
    engagement_id AS source_id,
    CASE type
        WHEN 'CALL' THEN 'call'
        WHEN 'EMAIL' THEN 'email'
        WHEN 'MEETING' THEN 'meeting'
        WHEN 'NOTE' THEN 'note'
        ELSE type
    END AS kind,
    subject,
    contact_id,
    company_id,
    deal_id,
    owner_id,
    outcome,
    duration_minutes,
    activity_date AS occurred_at
FROM raw.engagements
