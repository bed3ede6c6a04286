-- One row per company.
SELECT
    record_id AS source_id,
    company_name AS name,
    company_domain_name AS domain,
    website_url AS website,
    email,
    vat_id,
    industry,
    number_of_employees AS employees,
    annual_revenue,
    currency,
    street_address AS street,
    city,
    postal_code AS postcode,
    country_region AS country,
    company_owner AS owner_id,
    create_date AS created_at
FROM raw.companies
