-- One row per company that the business deals with.
WITH ranked AS (
    SELECT
        known.account_id,
        known.source AS record_source,
        company.*,
        staff.staff_id,
        row_number() OVER (
            PARTITION BY known.account_id
            ORDER BY
                company.is_deleted,
                coalesce(company.source_updated_at, company.created_at) DESC NULLS LAST,
                company.source,
                company.source_id
        ) AS choice
    FROM clean.company AS company
    INNER JOIN identity.account AS known ON known.source = company.source AND known.source_id = company.source_id
    LEFT JOIN identity.staff AS staff ON staff.source = company.source AND staff.source_id = company.owner_id
),
survivor AS (
    SELECT
        account_id,
        min_by(name, CASE WHEN name IS NOT NULL THEN choice END) AS name,
        min_by(domain, CASE WHEN domain IS NOT NULL THEN choice END) AS domain,
        min_by(website, CASE WHEN website IS NOT NULL THEN choice END) AS website,
        min_by(email, CASE WHEN email IS NOT NULL THEN choice END) AS email,
        min_by(phone, CASE WHEN phone IS NOT NULL THEN choice END) AS phone,
        min_by(vat_id, CASE WHEN vat_id IS NOT NULL THEN choice END) AS vat_id,
        min_by(industry, CASE WHEN industry IS NOT NULL THEN choice END) AS industry,
        min_by(employees, CASE WHEN employees IS NOT NULL THEN choice END) AS employees,
        min(CASE WHEN annual_revenue IS NOT NULL THEN choice END) AS revenue_choice,
        min(CASE WHEN coalesce(street, city, postcode, country) IS NOT NULL THEN choice END) AS address_choice,
        min_by(staff_id, CASE WHEN staff_id IS NOT NULL THEN choice END) AS owner_id,
        min(created_at) AS created_at,
        string_agg(DISTINCT record_source, ', ' ORDER BY record_source) AS sources,
        count(*) AS records,
        bool_and(is_deleted) AS is_deleted
    FROM ranked
    GROUP BY account_id
)
SELECT
    survivor.account_id,
    survivor.name,
    survivor.domain,
    survivor.website,
    survivor.email,
    survivor.phone,
    survivor.vat_id,
    survivor.industry,
    survivor.employees,
    -- Amount and currency, and the parts of an address, come from one record each.
    revenue.annual_revenue,
    revenue.currency,
    address.street,
    address.city,
    address.region,
    address.postcode,
    address.country,
    survivor.owner_id,
    survivor.created_at,
    survivor.sources,
    survivor.records,
    survivor.is_deleted
FROM survivor
LEFT JOIN ranked AS revenue
    ON revenue.account_id = survivor.account_id AND revenue.choice = survivor.revenue_choice
LEFT JOIN ranked AS address
    ON address.account_id = survivor.account_id AND address.choice = survivor.address_choice
