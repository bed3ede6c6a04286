-- One row per deal.
SELECT
    deal.id AS source_id,
    deal.payload->>'$.title' AS title,
    deal.payload->>'$.person_id' AS contact_id,
    deal.payload->>'$.org_id' AS company_id,
    deal.payload->>'$.owner_id' AS owner_id,
    coalesce(pipeline.payload->>'$.name', deal.payload->>'$.pipeline_id') AS pipeline,
    -- A deal that is won or lost stays in its last stage.
    coalesce(stage.payload->>'$.name', deal.payload->>'$.stage_id') AS stage,
    CASE
        WHEN (deal.payload->>'$.won_time') IS NOT NULL THEN 'won'
        WHEN (deal.payload->>'$.lost_time') IS NOT NULL THEN 'lost'
        ELSE 'open'
    END AS status,
    deal.payload->>'$.value' AS amount,
    deal.payload->>'$.currency' AS currency,
    CASE
        WHEN (deal.payload->>'$.won_time') IS NOT NULL THEN '100'
        WHEN (deal.payload->>'$.lost_time') IS NOT NULL THEN '0'
        ELSE coalesce(deal.payload->>'$.probability', stage.payload->>'$.deal_probability')
    END AS probability_pct,
    deal.payload->>'$.lost_reason' AS lost_reason,
    deal.payload->>'$.add_time' AS created_at,
    deal.payload->>'$.expected_close_date' AS expected_close_date,
    deal.payload->>'$.close_time' AS closed_at
FROM raw.deals AS deal
LEFT JOIN raw.pipelines AS pipeline ON pipeline.id = (deal.payload->>'$.pipeline_id')
LEFT JOIN raw.stages AS stage ON stage.id = (deal.payload->>'$.stage_id')
