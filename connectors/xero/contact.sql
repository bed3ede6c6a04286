-- One row per customer, as a person to write to.
SELECT
    id AS source_id,
    payload->>'$.FirstName' AS given_name,
    payload->>'$.LastName' AS family_name,
    payload->>'$.EmailAddress' AS email,
    id AS company_id,
    payload->>'$.Name' AS company_name,
    'customer' AS lifecycle_stage
FROM raw.contacts
WHERE (payload->>'$.IsCustomer') = 'true'
