-- One row per teammate; those who left are no longer listed.
SELECT
    person.id AS source_id,
    person.payload->>'$.name' AS full_name,
    person.payload->>'$.email' AS email,
    person.payload->>'$.job_title' AS role,
    team.payload->>'$.name' AS team,
    NOT person.is_deleted AND (person.payload->>'$.has_inbox_seat') = 'true' AS is_active,
    FALSE AS is_deleted
FROM raw.admins AS person
LEFT JOIN raw.teams AS team ON team.id = (person.payload->>'$.team_ids[0]')
