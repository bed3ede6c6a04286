-- One row per satisfaction rating that was answered.
SELECT
    id AS source_id,
    payload->>'$.requester_id' AS contact_id,
    'satisfaction' AS kind,
    CASE payload->>'$.score' WHEN 'good' THEN 1 ELSE 0 END AS rating,
    1 AS rating_max,
    payload->>'$.comment' AS comment,
    payload->>'$.created_at' AS submitted_at
FROM raw.satisfaction_ratings
WHERE (payload->>'$.score') IN ('good', 'bad')
