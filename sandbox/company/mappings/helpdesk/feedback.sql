-- One row per satisfaction rating of a solved ticket.
SELECT
    id AS source_id,
    requester_id AS contact_id,
    'satisfaction' AS kind,
    CASE score WHEN 'good' THEN 1 WHEN 'bad' THEN 0 END AS rating,
    1 AS rating_max,
    comment,
    created_at AS submitted_at
FROM raw.satisfaction_ratings
