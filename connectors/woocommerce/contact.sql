-- One row per account; who bought as a guest is known from the order alone.
SELECT
    id AS source_id,
    coalesce(nullif(payload->>'$.first_name', ''), payload->>'$.billing.first_name') AS given_name,
    coalesce(nullif(payload->>'$.last_name', ''), payload->>'$.billing.last_name') AS family_name,
    payload->>'$.email' AS email,
    payload->>'$.billing.phone' AS phone,
    payload->>'$.billing.company' AS company_name,
    payload->>'$.billing.address_1' AS street,
    payload->>'$.billing.city' AS city,
    payload->>'$.billing.state' AS region,
    payload->>'$.billing.postcode' AS postcode,
    payload->>'$.billing.country' AS country,
    (payload->>'$.date_created_gmt') || 'Z' AS created_at
FROM raw.customers
-- Authors and administrators of the site have accounts too.
WHERE (payload->>'$.role') IN ('customer', 'subscriber')
    OR (payload->>'$.is_paying_customer') = 'true'
