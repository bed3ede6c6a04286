-- One row per agent; those who left are gone from the list.
WITH in_group AS (
    SELECT member->>'$' AS agent_id, min(raw.groups.payload->>'$.name') AS name
    FROM raw.groups, unnest(CAST(raw.groups.payload->'$.agent_ids' AS JSON[])) AS members(member)
    WHERE NOT raw.groups.is_deleted
    GROUP BY 1
)
SELECT
    agent.id AS source_id,
    agent.payload->>'$.contact.name' AS full_name,
    agent.payload->>'$.contact.email' AS email,
    agent.payload->>'$.contact.job_title' AS role,
    in_group.name AS team,
    NOT agent.is_deleted AND coalesce(NOT CAST(agent.payload->'$.deactivated' AS BOOLEAN), TRUE) AS is_active,
    agent.modified_at AS source_updated_at,
    FALSE AS is_deleted
FROM raw.agents AS agent
LEFT JOIN in_group ON in_group.agent_id = agent.id
