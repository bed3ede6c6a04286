-- One row per contact, and per lead that has not become one.
WITH person AS (
    SELECT
        contact.id,
        'customer' AS lifecycle_stage,
        contact.payload->>'$.AccountId' AS company_id,
        account.payload->>'$.Name' AS company_name,
        contact.payload->>'$.MailingStreet' AS street,
        contact.payload->>'$.MailingCity' AS city,
        contact.payload->>'$.MailingState' AS region,
        contact.payload->>'$.MailingPostalCode' AS postcode,
        contact.payload->>'$.MailingCountry' AS country,
        contact.payload,
        contact.modified_at,
        contact.is_deleted
    FROM raw.contacts AS contact
    LEFT JOIN raw.accounts AS account ON account.id = (contact.payload->>'$.AccountId')
    UNION ALL
    SELECT
        id,
        'lead',
        NULL,
        payload->>'$.Company',
        payload->>'$.Street',
        payload->>'$.City',
        payload->>'$.State',
        payload->>'$.PostalCode',
        payload->>'$.Country',
        payload,
        modified_at,
        is_deleted OR coalesce((payload->>'$.IsConverted') = 'true', FALSE)
    FROM raw.leads
)
SELECT
    id AS source_id,
    payload->>'$.FirstName' AS given_name,
    payload->>'$.LastName' AS family_name,
    payload->>'$.Email' AS email,
    coalesce(payload->>'$.Phone', payload->>'$.MobilePhone') AS phone,
    company_id,
    company_name,
    payload->>'$.Title' AS job_title,
    street,
    city,
    region,
    postcode,
    country,
    -- Salesforce has no such field of its own; it is filled where the company made one of that name.
    payload->>'$.Language__c' AS language,
    payload->>'$.Birthdate' AS birth_date,
    lifecycle_stage,
    payload->>'$.LeadSource' AS lead_source,
    payload->>'$.OwnerId' AS owner_id,
    (payload->>'$.HasOptedOutOfEmail') = 'false' AS is_subscribed,
    payload->>'$.CreatedDate' AS created_at,
    modified_at AS source_updated_at,
    is_deleted
FROM person
