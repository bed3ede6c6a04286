-- One row per deal. Only won deals are published; a lead without one is a contact and nothing more.
SELECT
    closed_deals.mql_id AS source_id,
    closed_deals.mql_id AS contact_id,
    closed_deals.sr_id AS owner_id,
    closed_deals.business_segment AS pipeline,
    'closed won' AS stage,
    'won' AS status,
    leads.origin AS lead_source,
    leads.first_contact_date AS created_at,
    closed_deals.won_date AS closed_at
FROM raw.closed_deals AS closed_deals
LEFT JOIN raw.leads AS leads ON leads.mql_id = closed_deals.mql_id
