-- One row per stage that a deal entered.
SELECT
    change_id AS source_id,
    deal_id,
    to_stage AS stage,
    from_stage,
    changed_by AS changed_by_id,
    changed_at AS entered_at
FROM raw.deal_stage_history
