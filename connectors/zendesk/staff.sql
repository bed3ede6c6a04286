-- One row per agent or administrator; those who left are suspended or deleted.
SELECT
    person.id AS source_id,
    person.payload->>'$.name' AS full_name,
    person.payload->>'$.email' AS email,
    person.payload->>'$.role' AS role,
    team.payload->>'$.name' AS team,
    NOT person.is_deleted AND (person.payload->>'$.suspended') <> 'true' AS is_active
FROM raw.users AS person
LEFT JOIN raw.groups AS team ON team.id = (person.payload->>'$.default_group_id')
WHERE (person.payload->>'$.role') <> 'end-user'
