-- One row per marketing-qualified lead: a seller who asked to sell on the marketplace.
SELECT
    leads.mql_id AS source_id,
    CASE WHEN closed_deals.mql_id IS NULL THEN 'lead' ELSE 'customer' END AS lifecycle_stage,
    leads.origin AS lead_source,
    closed_deals.sdr_id AS owner_id,
    'BR' AS country,
    leads.first_contact_date AS created_at
FROM raw.leads AS leads
LEFT JOIN raw.closed_deals AS closed_deals ON closed_deals.mql_id = leads.mql_id
