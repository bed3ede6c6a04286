-- One row per deal and stay in a stage.
WITH move AS (
    SELECT
        source || ':' || deal_id AS deal_id,
        stage,
        from_stage,
        entered_at,
        row_number() OVER (PARTITION BY source, deal_id, entered_at ORDER BY source_id DESC) AS precedence,
        row_number() OVER (PARTITION BY source, deal_id ORDER BY entered_at, source_id) AS place
    FROM clean.deal_stage_event
    WHERE NOT is_deleted
),
entry AS (
    SELECT deal_id, stage, entered_at
    FROM move
    WHERE precedence = 1
    UNION ALL
    SELECT deal.deal_id, move.from_stage AS stage, deal.created_at AS entered_at
    FROM move
    INNER JOIN core.deal AS deal ON deal.deal_id = move.deal_id
    WHERE move.place = 1 AND move.from_stage IS NOT NULL AND deal.created_at < move.entered_at
),
compared AS (
    SELECT
        entry.*,
        lag(stage) OVER (PARTITION BY deal_id ORDER BY entered_at) AS stage_before
    FROM entry
),
-- Who enters the stage where it is already has not moved.
stay AS (
    SELECT
        deal_id,
        stage,
        entered_at,
        lead(entered_at) OVER (PARTITION BY deal_id ORDER BY entered_at) AS left_at
    FROM compared
    WHERE stage_before IS NULL OR stage <> stage_before
)
SELECT
    stay.deal_id,
    stay.stage,
    stay.entered_at AS valid_from,
    stay.left_at AS valid_to,
    stay.left_at IS NULL AS is_current,
    greatest(
        coalesce(CAST(stay.left_at AT TIME ZONE night.timezone AS DATE), deal.closed_date, night.as_of)
        - CAST(stay.entered_at AT TIME ZONE night.timezone AS DATE),
        0
    ) AS duration_days
FROM stay
INNER JOIN core.deal AS deal ON deal.deal_id = stay.deal_id
CROSS JOIN meta.night AS night
