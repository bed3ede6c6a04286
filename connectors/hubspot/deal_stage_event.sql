-- One row per stage that a deal entered.
WITH entered AS (
    SELECT
        deal.id AS deal_id,
        deal.is_deleted,
        deal.modified_at,
        deal.payload->>'$.properties.pipeline' AS pipeline_id,
        step->>'$.value' AS stage_id,
        step->>'$.timestamp' AS entered_at,
        step->>'$.updatedByUserId' AS user_id
    FROM
        raw.deals AS deal,
        unnest(CAST(deal.payload->'$.propertiesWithHistory.dealstage' AS JSON[])) AS steps(step)
),
stage AS (
    SELECT
        pipeline.id AS pipeline_id,
        step->>'$.id' AS stage_id,
        step->>'$.label' AS stage
    FROM raw.deal_pipelines AS pipeline, unnest(CAST(pipeline.payload->'$.stages' AS JSON[])) AS steps(step)
),
named AS (
    SELECT
        entered.*,
        coalesce(stage.stage, entered.stage_id) AS stage
    FROM entered
    LEFT JOIN stage ON stage.pipeline_id = entered.pipeline_id AND stage.stage_id = entered.stage_id
)
SELECT
    named.deal_id || ':' || named.entered_at AS source_id,
    named.deal_id,
    named.stage,
    lag(named.stage) OVER (PARTITION BY named.deal_id ORDER BY named.entered_at) AS from_stage,
    owner.id AS changed_by_id,
    named.entered_at,
    named.modified_at AS source_updated_at,
    named.is_deleted
FROM named
LEFT JOIN raw.owners AS owner
    ON coalesce(owner.payload->>'$.userId', owner.payload->>'$.userIdIncludingInactive') = named.user_id
