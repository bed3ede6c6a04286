-- One row per address in an audience.
SELECT
    id AS source_id,
    payload->>'$.email_address' AS email,
    payload->>'$.merge_fields.FNAME' AS given_name,
    payload->>'$.merge_fields.LNAME' AS family_name,
    payload->>'$.merge_fields.PHONE' AS phone,
    payload->>'$.merge_fields.ADDRESS.addr1' AS street,
    payload->>'$.merge_fields.ADDRESS.city' AS city,
    payload->>'$.merge_fields.ADDRESS.state' AS region,
    payload->>'$.merge_fields.ADDRESS.zip' AS postcode,
    payload->>'$.merge_fields.ADDRESS.country' AS country,
    payload->>'$.language' AS language,
    payload->>'$.source' AS lead_source,
    CASE WHEN (payload->>'$.status') = 'subscribed' THEN 'true' ELSE 'false' END AS is_subscribed,
    coalesce(nullif(payload->>'$.timestamp_signup', ''), nullif(payload->>'$.timestamp_opt', '')) AS created_at
FROM raw.members
