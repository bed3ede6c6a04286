-- One row per campaign; removed ones stay, since their figures do.
SELECT
    id AS source_id,
    payload->>'$.campaign.name' AS name,
    'google_ads' AS platform,
    -- SEARCH, PERFORMANCE_MAX, DEMAND_GEN …
    replace(lower(payload->>'$.campaign.advertisingChannelType'), '_', ' ') AS channel,
    CASE payload->>'$.campaign.status'
        WHEN 'ENABLED' THEN 'active'
        ELSE lower(payload->>'$.campaign.status')
    END AS status,
    -- A budget is for a day or, with a period of its own, for the whole campaign; in millionths.
    TRY_CAST(
        coalesce(payload->>'$.campaignBudget.amountMicros', payload->>'$.campaignBudget.totalAmountMicros')
        AS DECIMAL(18, 0)
    ) * 0.000001 AS budget,
    payload->>'$.customer.currencyCode' AS currency,
    left(payload->>'$.campaign.startDateTime', 10) AS started_date,
    left(payload->>'$.campaign.endDateTime', 10) AS ended_date
FROM raw.campaigns
