-- One row per stage that a deal entered: where it began, and each move that its changelog tells of.
WITH move AS (
    SELECT
        changes.id AS deal_id,
        changes.is_deleted,
        changes.modified_at,
        change->>'$.old_value' AS from_stage_id,
        change->>'$.new_value' AS stage_id,
        change->>'$.actor_user_id' AS changed_by_id,
        replace(change->>'$.time', ' ', 'T') || 'Z' AS entered_at
    FROM raw.deal_changes AS changes, unnest(CAST(changes.payload->'$.changes' AS JSON[])) AS listed(change)
    WHERE (change->>'$.field_key') = 'stage_id'
),
beginning AS (
    SELECT deal_id, min_by(from_stage_id, entered_at) AS stage_id FROM move GROUP BY deal_id
),
entered AS (
    SELECT * FROM move
    UNION ALL
    SELECT
        deal.id,
        deal.is_deleted,
        deal.modified_at,
        NULL,
        coalesce(beginning.stage_id, deal.payload->>'$.stage_id'),
        deal.payload->>'$.creator_user_id',
        deal.payload->>'$.add_time'
    FROM raw.deals AS deal
    -- A deal whose changelog was not asked for yet may have begun anywhere.
    JOIN raw.deal_changes AS changes ON changes.id = deal.id
    LEFT JOIN beginning ON beginning.deal_id = deal.id
)
SELECT
    entered.deal_id || ':' || entered.entered_at || ':' || entered.stage_id AS source_id,
    entered.deal_id,
    coalesce(stage.payload->>'$.name', entered.stage_id) AS stage,
    coalesce(from_stage.payload->>'$.name', entered.from_stage_id) AS from_stage,
    entered.changed_by_id,
    entered.entered_at,
    entered.modified_at AS source_updated_at,
    entered.is_deleted
FROM entered
LEFT JOIN raw.stages AS stage ON stage.id = entered.stage_id
LEFT JOIN raw.stages AS from_stage ON from_stage.id = entered.from_stage_id
