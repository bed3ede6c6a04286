-- One row per campaign.
SELECT
    campaign_id AS source_id,
    campaign AS name,
    'google_ads' AS platform,
    CASE campaign_type
        WHEN 'SEARCH' THEN 'search'
        WHEN 'SHOPPING' THEN 'shopping'
        WHEN 'DISPLAY' THEN 'display'
        WHEN 'PERFORMANCE_MAX' THEN 'performance max'
        ELSE campaign_type
    END AS channel,
    CASE campaign_state WHEN 'Enabled' THEN 'active' WHEN 'Paused' THEN 'paused' ELSE campaign_state END AS status,
    budget,
    currency_code AS currency,
    start_date AS started_date,
    end_date AS ended_date
FROM raw.campaigns
