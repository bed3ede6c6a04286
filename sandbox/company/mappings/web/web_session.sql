-- One row per day, traffic source and device.
SELECT
    concat_ws(':', date, session_source, session_medium, coalesce(session_campaign, ''), device_category) AS source_id,
    session_source AS traffic_source,
    session_medium AS medium,
    session_campaign AS campaign_name,
    device_category AS device,
    sessions,
    views AS pageviews,
    key_events AS conversions,
    -- '20241101'
    TRY_STRPTIME(date, '%Y%m%d') AS started_at
FROM raw.sessions
