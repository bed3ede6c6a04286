-- One row per consent given or withdrawn.
SELECT
    event_id AS source_id,
    leid AS contact_id,
    email_address AS email,
    'email' AS channel,
    CASE action WHEN 'subscribed' THEN 'true' WHEN 'unsubscribed' THEN 'false' ELSE action END AS is_granted,
    'consent' AS legal_basis,
    source AS origin,
    timestamp AS occurred_at
FROM raw.consents
