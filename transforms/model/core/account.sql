-- One row per company that the business deals with.
WITH chosen AS (
    SELECT
        account_id,
        max(CASE WHEN column_name = 'name' THEN value END) AS name,
        max(CASE WHEN column_name = 'domain' THEN value END) AS domain,
        max(CASE WHEN column_name = 'website' THEN value END) AS website,
        max(CASE WHEN column_name = 'email' THEN value END) AS email,
        max(CASE WHEN column_name = 'phone' THEN value END) AS phone,
        max(CASE WHEN column_name = 'vat_id' THEN value END) AS vat_id,
        max(CASE WHEN column_name = 'industry' THEN value END) AS industry,
        max(CASE WHEN column_name = 'employees' THEN value END) AS employees,
        max(CASE WHEN column_name = 'annual_revenue' THEN value END) AS annual_revenue,
        max(CASE WHEN column_name = 'currency' THEN value END) AS currency,
        max(CASE WHEN column_name = 'street' THEN value END) AS street,
        max(CASE WHEN column_name = 'city' THEN value END) AS city,
        max(CASE WHEN column_name = 'region' THEN value END) AS region,
        max(CASE WHEN column_name = 'postcode' THEN value END) AS postcode,
        max(CASE WHEN column_name = 'country' THEN value END) AS country,
        max(CASE WHEN column_name = 'owner_id' THEN value END) AS owner_id
    FROM core.account_origin
    GROUP BY account_id
),
counted AS (
    SELECT
        known.account_id,
        min(company.created_at) AS created_at,
        string_agg(DISTINCT known.source, ', ' ORDER BY known.source) AS sources,
        count(*) AS records,
        bool_and(company.is_deleted) AS is_deleted
    FROM identity.account AS known
    INNER JOIN clean.company AS company ON company.source = known.source AND company.source_id = known.source_id
    GROUP BY known.account_id
)
SELECT
    counted.account_id,
    chosen.name,
    chosen.domain,
    chosen.website,
    chosen.email,
    chosen.phone,
    chosen.vat_id,
    chosen.industry,
    CAST(chosen.employees AS BIGINT) AS employees,
    CAST(chosen.annual_revenue AS DECIMAL(18, 4)) AS annual_revenue,
    chosen.currency,
    chosen.street,
    chosen.city,
    chosen.region,
    chosen.postcode,
    chosen.country,
    chosen.owner_id,
    counted.created_at,
    counted.sources,
    counted.records,
    counted.is_deleted
FROM counted
LEFT JOIN chosen ON chosen.account_id = counted.account_id
