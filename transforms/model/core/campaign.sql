-- One row per campaign of a source, also those that ads or touches name without a campaign record.
WITH described AS (
    SELECT
        source || ':' || source_id AS campaign_id,
        source,
        source_id,
        name,
        platform,
        channel,
        status,
        objective,
        budget,
        currency,
        started_date,
        ended_date,
        FALSE AS is_implied
    -- Campaigns deleted at the source stay: what they cost and brought has happened.
    FROM clean.campaign
),
mention AS (
    SELECT ad.source, trim(ad.campaign_name) AS name, ad.campaign_id, ad.platform, NULL AS channel, ad.date
    FROM clean.ad_performance AS ad
    WHERE NOT ad.is_deleted AND trim(ad.campaign_name) <> ''
    UNION ALL
    SELECT
        touch.source,
        trim(touch.campaign_name),
        touch.campaign_id,
        NULL,
        touch.channel,
        CAST(touch.occurred_at AT TIME ZONE night.timezone AS DATE)
    FROM clean.marketing_touch AS touch
    CROSS JOIN meta.night AS night
    WHERE NOT touch.is_deleted AND trim(touch.campaign_name) <> ''
),
implied AS (
    SELECT
        mention.source,
        lower(mention.name) AS name_key,
        min(mention.name) AS name,
        min(mention.platform) AS platform,
        min(mention.channel) AS channel,
        min(mention.date) AS started_date,
        max(mention.date) AS ended_date
    FROM mention
    LEFT JOIN described AS by_id ON by_id.source = mention.source AND by_id.source_id = mention.campaign_id
    WHERE by_id.campaign_id IS NULL
    GROUP BY mention.source, lower(mention.name)
),
campaign AS (
    SELECT * FROM described
    UNION ALL
    SELECT
        implied.source || ':name:' || implied.name_key AS campaign_id,
        implied.source,
        NULL AS source_id,
        implied.name,
        implied.platform,
        implied.channel,
        NULL AS status,
        NULL AS objective,
        NULL AS budget,
        NULL AS currency,
        implied.started_date,
        implied.ended_date,
        TRUE AS is_implied
    FROM implied
    LEFT JOIN (SELECT DISTINCT source, lower(trim(name)) AS name_key FROM described) AS by_name
        ON by_name.source = implied.source AND by_name.name_key = implied.name_key
    WHERE by_name.name_key IS NULL
)
SELECT
    campaign.campaign_id,
    campaign.source,
    campaign.source_id,
    campaign.name,
    lower(trim(campaign.name)) AS name_key,
    campaign.platform,
    campaign.channel,
    campaign.status,
    campaign.objective,
    campaign.budget,
    campaign.currency,
    CASE
        WHEN campaign.currency = night.base_currency THEN campaign.budget
        ELSE CAST(campaign.budget * fx.rate AS DECIMAL(18, 4))
    END AS budget_base,
    campaign.started_date,
    campaign.ended_date,
    campaign.is_implied
FROM campaign
CROSS JOIN meta.night AS night
LEFT JOIN core.fx_rate AS fx
    ON fx.currency = campaign.currency AND fx.date = coalesce(campaign.started_date, night.as_of)
