-- One row per customer with a subscription.
SELECT
    id AS source_id,
    name AS full_name,
    email,
    phone,
    address_line1 AS street,
    address_city AS city,
    address_zip AS postcode,
    address_country AS country,
    to_timestamp(TRY_CAST(created AS BIGINT)) AS created_at
FROM raw.customers
