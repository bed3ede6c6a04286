-- One row per deal.
WITH stage AS (
    SELECT
        pipeline.id AS pipeline_id,
        pipeline.payload->>'$.label' AS pipeline,
        step->>'$.id' AS stage_id,
        step->>'$.label' AS stage
    FROM raw.deal_pipelines AS pipeline, unnest(CAST(pipeline.payload->'$.stages' AS JSON[])) AS steps(step)
)
SELECT
    deal.id AS source_id,
    deal.payload->>'$.properties.dealname' AS title,
    contact.payload->>'$.to[0].toObjectId' AS contact_id,
    company.payload->>'$.to[0].toObjectId' AS company_id,
    deal.payload->>'$.properties.hubspot_owner_id' AS owner_id,
    coalesce(stage.pipeline, deal.payload->>'$.properties.pipeline') AS pipeline,
    coalesce(stage.stage, deal.payload->>'$.properties.dealstage') AS stage,
    CASE
        WHEN (deal.payload->>'$.properties.hs_is_closed_won') = 'true' THEN 'won'
        WHEN (deal.payload->>'$.properties.hs_is_closed') = 'true' THEN 'lost'
        ELSE 'open'
    END AS status,
    deal.payload->>'$.properties.amount' AS amount,
    deal.payload->>'$.properties.deal_currency_code' AS currency,
    100 * TRY_CAST(deal.payload->>'$.properties.hs_deal_stage_probability' AS DECIMAL(9, 6)) AS probability_pct,
    deal.payload->>'$.properties.closed_lost_reason' AS lost_reason,
    -- HubSpot has no such property of its own; it is filled where the company made one of that name.
    deal.payload->>'$.properties.order_number' AS order_number,
    deal.payload->>'$.properties.createdate' AS created_at,
    -- While a deal is open, its close date is the expected one.
    CASE
        WHEN (deal.payload->>'$.properties.hs_is_closed') = 'true' THEN NULL
        ELSE CAST(TRY_CAST(deal.payload->>'$.properties.closedate' AS TIMESTAMPTZ) AS DATE)
    END AS expected_close_date,
    CASE
        WHEN (deal.payload->>'$.properties.hs_is_closed') = 'true' THEN deal.payload->>'$.properties.closedate'
    END AS closed_at
FROM raw.deals AS deal
LEFT JOIN stage
    ON stage.pipeline_id = (deal.payload->>'$.properties.pipeline')
    AND stage.stage_id = (deal.payload->>'$.properties.dealstage')
LEFT JOIN raw.associations AS contact ON contact.id = 'deals:' || deal.id || ':contacts'
LEFT JOIN raw.associations AS company ON company.id = 'deals:' || deal.id || ':companies'
