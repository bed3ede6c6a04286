-- One row per ad and day.
WITH campaign_by_name AS (
    -- Where one source has a name twice, the smallest id stands for it.
    SELECT source, name_key, min(campaign_id) AS campaign_id
    FROM core.campaign
    GROUP BY source, name_key
),
priced AS (
    SELECT
        ad.*,
        coalesce(by_id.campaign_id, by_name.campaign_id) AS linked_campaign_id,
        coalesce(ad.platform, campaign.platform) AS linked_platform,
        coalesce(campaign.name, ad.campaign_name) AS linked_campaign_name,
        campaign.channel,
        ad.currency = night.base_currency AS is_base,
        fx.rate
    FROM clean.ad_performance AS ad
    CROSS JOIN meta.night AS night
    LEFT JOIN core.campaign AS by_id ON by_id.source = ad.source AND by_id.source_id = ad.campaign_id
    LEFT JOIN campaign_by_name AS by_name
        ON by_name.source = ad.source AND by_name.name_key = lower(trim(ad.campaign_name))
    LEFT JOIN core.campaign AS campaign
        ON campaign.campaign_id = coalesce(by_id.campaign_id, by_name.campaign_id)
    LEFT JOIN core.fx_rate AS fx ON fx.currency = ad.currency AND fx.date = ad.date
    WHERE NOT ad.is_deleted
)
SELECT
    source || ':' || source_id AS ad_performance_id,
    source,
    source_id,
    date,
    linked_campaign_id AS campaign_id,
    linked_campaign_name AS campaign_name,
    linked_platform AS platform,
    channel,
    ad_group,
    ad_id,
    impressions,
    clicks,
    spend,
    currency,
    CASE WHEN is_base THEN spend ELSE CAST(spend * rate AS DECIMAL(18, 4)) END AS spend_base,
    conversions,
    conversion_value,
    CASE
        WHEN is_base THEN conversion_value
        ELSE CAST(conversion_value * rate AS DECIMAL(18, 4))
    END AS conversion_value_base
FROM priced
