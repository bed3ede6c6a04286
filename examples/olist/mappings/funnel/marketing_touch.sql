-- One row per lead: the form sent on a landing page.
SELECT
    mql_id AS source_id,
    mql_id AS contact_id,
    landing_page_id AS campaign_id,
    origin AS channel,
    'form' AS kind,
    first_contact_date AS occurred_at
FROM raw.leads
