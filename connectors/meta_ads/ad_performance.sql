-- One row per ad and day.
SELECT
    id AS source_id,
    payload->>'$.campaign_id' AS campaign_id,
    payload->>'$.campaign_name' AS campaign_name,
    payload->>'$.adset_name' AS ad_group,
    payload->>'$.ad_id' AS ad_id,
    'meta_ads' AS platform,
    payload->>'$.date_start' AS date,
    payload->>'$.impressions' AS impressions,
    -- Clicks that lead to the website; `clicks` counts likes and the unfolding of texts, too. Zeros are left out.
    coalesce(payload->>'$.inline_link_clicks', '0') AS clicks,
    payload->>'$.spend' AS spend,
    payload->>'$.account_currency' AS currency,
    -- The same purchase stands under several types; `purchase` has each once.
    coalesce(
        list_filter(
            CAST(payload->'$.actions' AS JSON[]), lambda action: (action->>'$.action_type') = 'purchase'
        )[1]->>'$.value',
        '0'
    ) AS conversions,
    coalesce(
        list_filter(
            CAST(payload->'$.action_values' AS JSON[]), lambda action: (action->>'$.action_type') = 'purchase'
        )[1]->>'$.value',
        '0'
    ) AS conversion_value
FROM raw.ad_performance
