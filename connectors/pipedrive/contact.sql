-- One row per person.
SELECT
    person.id AS source_id,
    person.payload->>'$.first_name' AS given_name,
    person.payload->>'$.last_name' AS family_name,
    coalesce(
        list_filter(CAST(person.payload->'$.emails' AS JSON[]), lambda e: (e->>'$.primary') = 'true')[1]->>'$.value',
        person.payload->>'$.emails[0].value'
    ) AS email,
    coalesce(
        list_filter(CAST(person.payload->'$.phones' AS JSON[]), lambda p: (p->>'$.primary') = 'true')[1]->>'$.value',
        person.payload->>'$.phones[0].value'
    ) AS phone,
    person.payload->>'$.org_id' AS company_id,
    company.payload->>'$.name' AS company_name,
    -- Job title, address and birthday are there only where the company synchronises its contacts.
    person.payload->>'$.job_title' AS job_title,
    coalesce(
        nullif(
            concat_ws(
                ' ', person.payload->>'$.postal_address.route', person.payload->>'$.postal_address.street_number'
            ),
            ''
        ),
        person.payload->>'$.postal_address.value'
    ) AS street,
    person.payload->>'$.postal_address.locality' AS city,
    person.payload->>'$.postal_address.admin_area_level_1' AS region,
    person.payload->>'$.postal_address.postal_code' AS postcode,
    person.payload->>'$.postal_address.country' AS country,
    person.payload->>'$.birthday' AS birth_date,
    person.payload->>'$.owner_id' AS owner_id,
    person.payload->>'$.add_time' AS created_at
FROM raw.persons AS person
LEFT JOIN raw.organizations AS company ON company.id = (person.payload->>'$.org_id')
