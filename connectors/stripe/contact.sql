-- One row per customer.
SELECT
    id AS source_id,
    payload->>'$.name' AS full_name,
    payload->>'$.email' AS email,
    payload->>'$.phone' AS phone,
    concat_ws(', ', payload->>'$.address.line1', nullif(payload->>'$.address.line2', '')) AS street,
    payload->>'$.address.city' AS city,
    payload->>'$.address.state' AS region,
    payload->>'$.address.postal_code' AS postcode,
    payload->>'$.address.country' AS country,
    payload->>'$.preferred_locales[0]' AS language,
    to_timestamp(TRY_CAST(payload->>'$.created' AS BIGINT)) AS created_at
FROM raw.customers
