-- One row per landing page, the nearest thing to a campaign that Olist publishes.
SELECT
    landing_page_id AS source_id,
    'landing page ' || substr(landing_page_id, 1, 8) AS name,
    'website' AS platform,
    min(first_contact_date) AS started_date
FROM raw.leads
GROUP BY landing_page_id
