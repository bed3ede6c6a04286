-- One row per person and shift.
SELECT
    schicht AS source_id,
    personalnr AS staff_id,
    abteilung AS team,
    funktion AS role,
    beginn AS starts_at,
    ende AS ends_at,
    krank AS is_absent
FROM raw.schichten
