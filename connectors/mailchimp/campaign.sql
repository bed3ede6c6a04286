-- One row per campaign, drafts too.
SELECT
    id AS source_id,
    coalesce(nullif(payload->>'$.settings.title', ''), nullif(payload->>'$.settings.subject_line', '')) AS name,
    'mailchimp' AS platform,
    'email' AS channel,
    payload->>'$.status' AS status,
    payload->>'$.settings.subject_line' AS objective,
    CAST(TRY_CAST(nullif(payload->>'$.send_time', '') AS TIMESTAMPTZ) AS DATE) AS started_date
FROM raw.campaigns
