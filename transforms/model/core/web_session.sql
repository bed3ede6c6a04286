-- One row per visit to the website, or per day and traffic source where only totals are exported.
WITH dated AS (
    SELECT
        web.*,
        CAST(web.started_at AT TIME ZONE night.timezone AS DATE) AS started_date
    FROM clean.web_session AS web
    CROSS JOIN meta.night AS night
    WHERE NOT web.is_deleted
)
SELECT
    web.source || ':' || web.source_id AS web_session_id,
    web.source,
    web.source_id,
    by_contact.customer_id,
    web.visitor_id,
    web.traffic_source,
    web.medium,
    campaign.campaign_id,
    web.campaign_name,
    web.landing_page,
    web.device,
    web.country,
    coalesce(web.sessions, 1) AS sessions,
    web.pageviews,
    web.conversions,
    web.started_at,
    web.started_date
FROM dated AS web
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || web.source || ':' || web.contact_id
LEFT JOIN core.campaign_reference AS campaign
    ON campaign.name_key = lower(trim(web.campaign_name))
    AND campaign.traffic_source = lower(trim(coalesce(web.traffic_source, '')))
