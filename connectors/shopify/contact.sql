-- One row per customer account.
SELECT
    id AS source_id,
    payload->>'$.firstName' AS given_name,
    payload->>'$.lastName' AS family_name,
    payload->>'$.defaultEmailAddress.emailAddress' AS email,
    -- Few have a confirmed number; most only the one beside their address.
    coalesce(payload->>'$.defaultPhoneNumber.phoneNumber', payload->>'$.defaultAddress.phone') AS phone,
    payload->>'$.defaultAddress.company' AS company_name,
    payload->>'$.defaultAddress.address1' AS street,
    payload->>'$.defaultAddress.city' AS city,
    payload->>'$.defaultAddress.province' AS region,
    payload->>'$.defaultAddress.zip' AS postcode,
    coalesce(payload->>'$.defaultAddress.countryCodeV2', payload->>'$.defaultAddress.country') AS country,
    (payload->>'$.defaultEmailAddress.marketingState') = 'SUBSCRIBED' AS is_subscribed,
    payload->>'$.createdAt' AS created_at
FROM raw.customers
