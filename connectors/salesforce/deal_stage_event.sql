-- One row per stage that an opportunity entered.
WITH entry AS (
    SELECT
        *,
        lag(payload->>'$.StageName') OVER (
            PARTITION BY payload->>'$.OpportunityId' ORDER BY payload->>'$.CreatedDate', id
        ) AS from_stage
    FROM raw.opportunity_history
)
SELECT
    id AS source_id,
    payload->>'$.OpportunityId' AS deal_id,
    payload->>'$.StageName' AS stage,
    from_stage,
    payload->>'$.CreatedById' AS changed_by_id,
    payload->>'$.CreatedDate' AS entered_at,
    modified_at AS source_updated_at,
    is_deleted
FROM entry
-- Salesforce also notes changes of the amount, the odds and the close date.
WHERE (payload->>'$.StageName') IS DISTINCT FROM from_stage
