-- One row per campaign; deleted ones stay, since their figures do.
SELECT
    campaign.id AS source_id,
    campaign.payload->>'$.name' AS name,
    'meta_ads' AS platform,
    'paid social' AS channel,
    CASE
        WHEN (campaign.payload->>'$.effective_status') <> 'ACTIVE' THEN lower(campaign.payload->>'$.effective_status')
        -- A campaign that is over stays active in Meta's words.
        WHEN TRY_CAST(campaign.payload->>'$.stop_time' AS TIMESTAMPTZ) < now() THEN 'ended'
        ELSE 'active'
    END AS status,
    campaign.payload->>'$.objective' AS objective,
    -- In hundredths, but for the currencies that have none: developers.facebook.com/docs/marketing-api/currencies.
    TRY_CAST(
        coalesce(campaign.payload->>'$.daily_budget', campaign.payload->>'$.lifetime_budget') AS DECIMAL(18, 0)
    ) * CASE
        WHEN (account.payload->>'$.currency')
            IN ('CLP', 'COP', 'CRC', 'HUF', 'ISK', 'IDR', 'JPY', 'KRW', 'PYG', 'TWD', 'VND') THEN 1.00
        ELSE 0.01
    END AS budget,
    account.payload->>'$.currency' AS currency,
    left(campaign.payload->>'$.start_time', 10) AS started_date,
    left(campaign.payload->>'$.stop_time', 10) AS ended_date
FROM raw.campaigns AS campaign
LEFT JOIN raw.ad_account AS account ON account.payload->>'$.account_id' = campaign.payload->>'$.account_id'
