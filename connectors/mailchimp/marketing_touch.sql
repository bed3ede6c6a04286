-- One row per newsletter sent to a member, opened, clicked or bounced, and per member who left by its link.
WITH act AS (
    SELECT
        activity.id,
        activity.payload,
        activity.is_deleted,
        one->>'$.action' AS kind,
        one->>'$.url' AS url,
        one->>'$.timestamp' AS occurred_at,
        -- Two clicks within a second are told apart by their place.
        row_number() OVER (
            PARTITION BY activity.id, one->>'$.action', one->>'$.timestamp' ORDER BY one->>'$.url'
        ) AS place
    FROM raw.email_activity AS activity, unnest(CAST(activity.payload->'$.activity' AS JSON[])) AS t(one)
),
touch AS (
    SELECT
        sent.id || ':sent' AS source_id,
        sent.payload,
        sent.is_deleted,
        'sent' AS kind,
        NULL AS url,
        -- Mailchimp tells when a campaign went out and not when each e-mail did.
        campaign.payload->>'$.send_time' AS occurred_at
    FROM raw.sent_to AS sent
    LEFT JOIN raw.campaigns AS campaign ON campaign.id = (sent.payload->>'$.campaign_id')
    UNION ALL
    SELECT
        id || ':' || kind || ':' || occurred_at || CASE WHEN place > 1 THEN ':' || place ELSE '' END,
        payload,
        is_deleted,
        kind,
        url,
        occurred_at
    FROM act
    UNION ALL
    SELECT
        id || ':unsubscribe:' || (payload->>'$.timestamp'),
        payload,
        is_deleted,
        'unsubscribe',
        NULL,
        payload->>'$.timestamp'
    FROM raw.unsubscribes
)
SELECT
    touch.source_id,
    (touch.payload->>'$.list_id') || ':' || (touch.payload->>'$.email_id') AS contact_id,
    touch.payload->>'$.email_address' AS email,
    touch.payload->>'$.campaign_id' AS campaign_id,
    campaign.payload->>'$.settings.title' AS campaign_name,
    'email' AS channel,
    touch.kind,
    touch.url,
    touch.occurred_at,
    TRY_CAST(touch.occurred_at AS TIMESTAMPTZ) AS source_updated_at,
    touch.is_deleted
FROM touch
LEFT JOIN raw.campaigns AS campaign ON campaign.id = (touch.payload->>'$.campaign_id')
