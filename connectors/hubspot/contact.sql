-- One row per contact.
SELECT
    id AS source_id,
    payload->>'$.properties.firstname' AS given_name,
    payload->>'$.properties.lastname' AS family_name,
    payload->>'$.properties.email' AS email,
    coalesce(payload->>'$.properties.phone', payload->>'$.properties.mobilephone') AS phone,
    payload->>'$.properties.associatedcompanyid' AS company_id,
    payload->>'$.properties.company' AS company_name,
    payload->>'$.properties.jobtitle' AS job_title,
    payload->>'$.properties.address' AS street,
    payload->>'$.properties.city' AS city,
    payload->>'$.properties.state' AS region,
    payload->>'$.properties.zip' AS postcode,
    payload->>'$.properties.country' AS country,
    payload->>'$.properties.hs_language' AS language,
    payload->>'$.properties.date_of_birth' AS birth_date,
    payload->>'$.properties.lifecyclestage' AS lifecycle_stage,
    payload->>'$.properties.hs_analytics_source' AS lead_source,
    payload->>'$.properties.hubspot_owner_id' AS owner_id,
    payload->>'$.createdAt' AS created_at
FROM raw.contacts
