-- One row per campaign name and traffic source that orders or visits mention and that mean exactly one campaign.
WITH mention AS (
    SELECT campaign AS name, utm_source AS traffic_source FROM clean.sales_order WHERE NOT is_deleted
    UNION
    SELECT campaign_name, traffic_source FROM clean.web_session WHERE NOT is_deleted
),
named AS (
    SELECT DISTINCT lower(trim(name)) AS name_key, lower(trim(coalesce(traffic_source, ''))) AS traffic_source
    FROM mention
    WHERE trim(name) <> ''
),
candidate AS (
    SELECT
        named.name_key,
        named.traffic_source,
        campaign.campaign_id,
        named.traffic_source <> '' AND starts_with(lower(campaign.platform), named.traffic_source) AS is_platform,
        count(*) OVER (PARTITION BY named.name_key, named.traffic_source) AS of_name
    FROM named
    INNER JOIN core.campaign AS campaign ON campaign.name_key = named.name_key
)
SELECT name_key, traffic_source, min(campaign_id) AS campaign_id
FROM candidate
WHERE of_name = 1 OR is_platform
GROUP BY name_key, traffic_source
HAVING count(*) = 1
