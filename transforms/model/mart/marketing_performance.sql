-- One row per day and campaign with spend or attributed orders; what no campaign brought is under '(none)'.
WITH spent AS (
    SELECT
        date,
        coalesce(campaign_id, '(none)') AS campaign_id,
        min(platform) AS platform,
        sum(impressions) AS impressions,
        sum(clicks) AS clicks,
        sum(spend_base) AS spend_base,
        sum(conversions) AS claimed_conversions,
        sum(conversion_value_base) AS claimed_value_base
    FROM core.ad_performance
    GROUP BY 1, 2
),
-- Last touch: the campaign that the order's own tracking parameters name.
sold AS (
    SELECT
        ordered_date AS date,
        coalesce(campaign_id, '(none)') AS campaign_id,
        count(*) AS orders,
        sum(CASE WHEN customer_order_number = 1 THEN 1 ELSE 0 END) AS new_customers,
        sum(net_revenue_base) AS revenue_base
    FROM core.sales_order
    WHERE is_counted
    GROUP BY 1, 2
),
cell AS (
    SELECT date, campaign_id FROM spent
    UNION
    SELECT date, campaign_id FROM sold
)
SELECT
    cell.date,
    cell.campaign_id,
    coalesce(campaign.name, '(none)') AS campaign_name,
    coalesce(campaign.platform, spent.platform, '(none)') AS platform,
    coalesce(campaign.channel, '(none)') AS channel,
    coalesce(spent.impressions, 0) AS impressions,
    coalesce(spent.clicks, 0) AS clicks,
    coalesce(spent.spend_base, 0) AS spend_base,
    coalesce(spent.claimed_conversions, 0) AS claimed_conversions,
    coalesce(spent.claimed_value_base, 0) AS claimed_value_base,
    coalesce(sold.orders, 0) AS attributed_orders,
    coalesce(sold.new_customers, 0) AS attributed_new_customers,
    coalesce(sold.revenue_base, 0) AS attributed_revenue_base,
    CAST(spent.clicks AS DOUBLE) / nullif(spent.impressions, 0) AS click_rate,
    CAST(spent.spend_base AS DOUBLE) / nullif(spent.clicks, 0) AS cost_per_click_base,
    CASE WHEN cell.campaign_id <> '(none)' THEN
        CAST(coalesce(sold.revenue_base, 0) AS DOUBLE) / nullif(CAST(spent.spend_base AS DOUBLE), 0)
    END AS roas,
    CASE WHEN cell.campaign_id <> '(none)' THEN
        CAST(spent.spend_base AS DOUBLE) / nullif(sold.new_customers, 0)
    END AS cac_base
FROM cell
LEFT JOIN spent ON spent.date = cell.date AND spent.campaign_id = cell.campaign_id
LEFT JOIN sold ON sold.date = cell.date AND sold.campaign_id = cell.campaign_id
LEFT JOIN core.campaign AS campaign ON campaign.campaign_id = cell.campaign_id
