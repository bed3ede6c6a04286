-- One row per ad, or asset group of a Performance Max campaign, and day.
WITH figure AS (
    SELECT
        id AS source_id,
        payload->>'$.adGroup.name' AS ad_group,
        payload->>'$.adGroupAd.ad.id' AS ad_id,
        payload,
        modified_at,
        is_deleted
    FROM raw.ad_performance
    UNION ALL
    SELECT
        -- Ids of ads and of asset groups are numbered apart.
        'asset_group:' || id,
        payload->>'$.assetGroup.name',
        payload->>'$.assetGroup.id',
        payload,
        modified_at,
        is_deleted
    FROM raw.asset_group_performance
)
SELECT
    source_id,
    payload->>'$.campaign.id' AS campaign_id,
    payload->>'$.campaign.name' AS campaign_name,
    ad_group,
    ad_id,
    'google_ads' AS platform,
    payload->>'$.segments.date' AS date,
    payload->>'$.metrics.impressions' AS impressions,
    payload->>'$.metrics.clicks' AS clicks,
    TRY_CAST(payload->>'$.metrics.costMicros' AS DECIMAL(18, 0)) * 0.000001 AS spend,
    payload->>'$.customer.currencyCode' AS currency,
    payload->>'$.metrics.conversions' AS conversions,
    payload->>'$.metrics.conversionsValue' AS conversion_value,
    modified_at AS source_updated_at,
    is_deleted
FROM figure
