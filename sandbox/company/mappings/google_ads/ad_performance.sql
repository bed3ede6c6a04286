-- One row per ad and day.
SELECT
    ad_id || ':' || "day" AS source_id,
    campaign_id,
    campaign AS campaign_name,
    ad_group,
    ad_id,
    'google_ads' AS platform,
    "day" AS date,
    impressions,
    clicks,
    cost AS spend,
    currency_code AS currency,
    conversions,
    conv_value AS conversion_value
FROM raw.ad_report
