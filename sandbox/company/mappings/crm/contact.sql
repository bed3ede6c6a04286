-- One row per contact.
SELECT
    record_id AS source_id,
    first_name AS given_name,
    last_name AS family_name,
    email,
    phone_number AS phone,
    associated_company_id AS company_id,
    company_name,
    job_title,
    street_address AS street,
    city,
    postal_code AS postcode,
    country_region AS country,
    preferred_language AS language,
    date_of_birth AS birth_date,
    lifecycle_stage,
    original_source AS lead_source,
    contact_owner AS owner_id,
    create_date AS created_at
FROM raw.contacts
