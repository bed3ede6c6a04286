-- One row per person on the payroll.
SELECT
    personalnr AS source_id,
    name AS full_name,
    e_mail AS email,
    funktion AS role,
    abteilung AS team,
    aktiv AS is_active,
    eintritt AS hired_date
FROM raw.personal
