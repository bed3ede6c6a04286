-- One row per task or event.
WITH activity AS (
    SELECT
        id,
        CASE payload->>'$.TaskSubtype'
            WHEN 'Call' THEN 'call'
            WHEN 'Email' THEN 'email'
            WHEN 'ListEmail' THEN 'email'
            ELSE 'task'
        END AS kind,
        coalesce(payload->>'$.CallDisposition', payload->>'$.Status') AS outcome,
        TRY_CAST(payload->>'$.CallDurationInSeconds' AS DECIMAL(18, 3)) / 60 AS duration_minutes,
        coalesce(payload->>'$.CompletedDateTime', payload->>'$.ActivityDate', payload->>'$.CreatedDate') AS occurred_at,
        payload,
        modified_at,
        is_deleted
    FROM raw.tasks
    UNION ALL
    SELECT
        id,
        'meeting',
        NULL,
        TRY_CAST(payload->>'$.DurationInMinutes' AS DECIMAL(18, 3)),
        coalesce(payload->>'$.StartDateTime', payload->>'$.ActivityDate'),
        payload,
        modified_at,
        is_deleted
    FROM raw.events
)
SELECT
    id AS source_id,
    kind,
    payload->>'$.Subject' AS subject,
    payload->>'$.WhoId' AS contact_id,
    payload->>'$.AccountId' AS company_id,
    -- What an activity is about may be of any object; ids of opportunities begin with 006.
    CASE WHEN (payload->>'$.WhatId') LIKE '006%' THEN payload->>'$.WhatId' END AS deal_id,
    payload->>'$.OwnerId' AS owner_id,
    outcome,
    duration_minutes,
    occurred_at,
    modified_at AS source_updated_at,
    is_deleted
FROM activity
