-- One row per owner.
SELECT
    owner_id AS source_id,
    concat_ws(' ', first_name, last_name) AS full_name,
    email,
    team,
    active AS is_active
FROM raw.owners
