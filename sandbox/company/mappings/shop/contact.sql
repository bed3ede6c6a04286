-- One row per customer account.
SELECT
    customer_id AS source_id,
    first_name AS given_name,
    last_name AS family_name,
    email,
    phone,
    company AS company_name,
    address1 AS street,
    city,
    province AS region,
    zip AS postcode,
    country,
    accepts_email_marketing AS is_subscribed,
    created_at
FROM raw.customers
