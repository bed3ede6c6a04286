-- One row per account.
SELECT
    id AS source_id,
    payload->>'$.Name' AS name,
    payload->>'$.Website' AS website,
    payload->>'$.Phone' AS phone,
    -- Salesforce has no such fields of its own on accounts; they are filled where the company made some of these names.
    payload->>'$.Email__c' AS email,
    payload->>'$.VAT_ID__c' AS vat_id,
    payload->>'$.Industry' AS industry,
    payload->>'$.NumberOfEmployees' AS employees,
    payload->>'$.AnnualRevenue' AS annual_revenue,
    payload->>'$.CurrencyIsoCode' AS currency,
    payload->>'$.BillingStreet' AS street,
    payload->>'$.BillingCity' AS city,
    payload->>'$.BillingState' AS region,
    payload->>'$.BillingPostalCode' AS postcode,
    payload->>'$.BillingCountry' AS country,
    payload->>'$.OwnerId' AS owner_id,
    payload->>'$.CreatedDate' AS created_at
FROM raw.accounts
