-- One row per member of the audience.
SELECT
    leid AS source_id,
    email_address AS email,
    first_name AS given_name,
    last_name AS family_name,
    language,
    subscribed AS is_subscribed,
    optin_time AS created_at
FROM raw.members
