-- One row per touchpoint of journeys and what came next: another touchpoint, the order, or nothing.
WITH step AS (
    SELECT
        touchpoint,
        CASE outcome WHEN 'order' THEN '(order)' ELSE '(lapsed)' END AS journey_end,
        lag(touchpoint) OVER way AS previous_touchpoint,
        lead(touchpoint) OVER way AS next_touchpoint
    FROM core.journey
    -- What is still open may yet become an order.
    WHERE outcome <> 'open'
    WINDOW way AS (PARTITION BY journey_id ORDER BY position)
),
transition AS (
    SELECT '(start)' AS from_touchpoint, touchpoint AS to_touchpoint FROM step WHERE previous_touchpoint IS NULL
    UNION ALL
    SELECT touchpoint, coalesce(next_touchpoint, journey_end) FROM step
)
SELECT from_touchpoint, to_touchpoint, count(*) AS transitions
FROM transition
GROUP BY from_touchpoint, to_touchpoint
