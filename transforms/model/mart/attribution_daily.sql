-- One row per day, model, campaign and channel with credited orders or spend; what no campaign brought is '(none)'.
WITH spent AS (
    SELECT
        ad.date,
        model.name AS model,
        coalesce(ad.campaign_id, '(none)') AS campaign_id,
        coalesce(ad.channel, '(none)') AS channel,
        sum(ad.spend_base) AS spend_base
    FROM core.ad_performance AS ad
    CROSS JOIN (VALUES ('first'), ('last'), ('linear'), ('time_decay'), ('position'), ('data_driven')) AS model (name)
    GROUP BY 1, 2, 3, 4
),
credited AS (
    SELECT
        ordered_date AS date,
        model,
        campaign_id,
        channel,
        sum(credit) AS orders,
        sum(CASE WHEN is_new_customer THEN credit ELSE 0 END) AS new_customers,
        sum(credited_revenue_base) AS revenue_base
    FROM mart.attribution
    GROUP BY 1, 2, 3, 4
),
cell AS (
    SELECT date, model, campaign_id, channel FROM spent
    UNION
    SELECT date, model, campaign_id, channel FROM credited
)
SELECT
    cell.date,
    cell.model,
    cell.campaign_id,
    cell.channel,
    coalesce(campaign.name, '(none)') AS campaign_name,
    coalesce(campaign.platform, '(none)') AS platform,
    coalesce(credited.orders, 0) AS credited_orders,
    coalesce(credited.new_customers, 0) AS credited_new_customers,
    coalesce(credited.revenue_base, 0) AS credited_revenue_base,
    coalesce(spent.spend_base, 0) AS spend_base,
    CASE WHEN cell.campaign_id <> '(none)' THEN
        CAST(coalesce(credited.revenue_base, 0) AS DOUBLE) / nullif(CAST(spent.spend_base AS DOUBLE), 0)
    END AS roas,
    CASE WHEN cell.campaign_id <> '(none)' THEN
        CAST(spent.spend_base AS DOUBLE) / nullif(CAST(credited.new_customers AS DOUBLE), 0)
    END AS cac_base
FROM cell
LEFT JOIN spent
    ON spent.date = cell.date AND spent.model = cell.model
    AND spent.campaign_id = cell.campaign_id AND spent.channel = cell.channel
LEFT JOIN credited
    ON credited.date = cell.date AND credited.model = cell.model
    AND credited.campaign_id = cell.campaign_id AND credited.channel = cell.channel
LEFT JOIN core.campaign AS campaign ON campaign.campaign_id = cell.campaign_id
