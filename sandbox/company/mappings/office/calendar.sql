-- One row per day.
SELECT
    datum AS source_id,
    datum AS date,
    geoffnet AS is_open,
    feiertag AS holiday,
    bemerkung AS note
FROM raw.kalender
