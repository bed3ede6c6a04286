-- One row per newsletter sent, opened or clicked.
SELECT
    activity_id AS source_id,
    leid AS contact_id,
    email_address AS email,
    campaign_id,
    campaign_title AS campaign_name,
    'email' AS channel,
    action AS kind,
    url,
    timestamp AS occurred_at
FROM raw.email_activity
