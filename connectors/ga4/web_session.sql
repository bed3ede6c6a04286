-- One row per day, traffic source, campaign and device.
SELECT
    id AS source_id,
    payload->>'$.sessionSource' AS traffic_source,
    payload->>'$.sessionMedium' AS medium,
    -- (not set), (organic), (direct) and their like say that there was none.
    CASE WHEN (payload->>'$.sessionCampaignName') NOT LIKE '(%)' THEN payload->>'$.sessionCampaignName' END
        AS campaign_name,
    payload->>'$.deviceCategory' AS device,
    payload->>'$.sessions' AS sessions,
    payload->>'$.screenPageViews' AS pageviews,
    payload->>'$.keyEvents' AS conversions,
    -- '20241101'
    TRY_STRPTIME(payload->>'$.date', '%Y%m%d') AS started_at
FROM raw.sessions
