-- One row per company.
SELECT
    id AS source_id,
    payload->>'$.properties.name' AS name,
    payload->>'$.properties.domain' AS domain,
    payload->>'$.properties.website' AS website,
    payload->>'$.properties.phone' AS phone,
    -- HubSpot has no such property of its own; many companies make one of that name.
    payload->>'$.properties.vat_id' AS vat_id,
    payload->>'$.properties.industry' AS industry,
    payload->>'$.properties.numberofemployees' AS employees,
    payload->>'$.properties.annualrevenue' AS annual_revenue,
    payload->>'$.properties.hs_annual_revenue_currency_code' AS currency,
    payload->>'$.properties.address' AS street,
    payload->>'$.properties.city' AS city,
    payload->>'$.properties.state' AS region,
    payload->>'$.properties.zip' AS postcode,
    payload->>'$.properties.country' AS country,
    payload->>'$.properties.hubspot_owner_id' AS owner_id,
    payload->>'$.createdAt' AS created_at
FROM raw.companies
