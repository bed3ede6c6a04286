-- One row per owner; those who left are archived.
SELECT
    id AS source_id,
    concat_ws(' ', payload->>'$.firstName', payload->>'$.lastName') AS full_name,
    payload->>'$.email' AS email,
    payload->>'$.teams[0].name' AS team,
    NOT is_deleted AS is_active,
    FALSE AS is_deleted
FROM raw.owners
