-- One row per pipeline, stage and owner: what is open now, and how it went in the last 90 days.
WITH deal AS (
    SELECT
        coalesce(deal.pipeline, '(none)') AS pipeline,
        coalesce(deal.stage, '(none)') AS stage,
        coalesce(deal.owner_id, '(none)') AS owner_id,
        deal.status,
        deal.amount_base,
        deal.probability_pct,
        deal.is_overdue,
        night.as_of - deal.created_date AS age_days,
        deal.days_to_close,
        deal.status <> 'open' AND deal.closed_date BETWEEN night.as_of - 89 AND night.as_of AS is_recent,
        night.as_of - CAST(deal.last_moved_at AT TIME ZONE night.timezone AS DATE) AS still_days
    FROM core.deal AS deal
    CROSS JOIN meta.night AS night
)
SELECT
    deal.pipeline,
    deal.stage,
    deal.owner_id,
    min(staff.full_name) AS owner_name,
    sum(CASE WHEN deal.status = 'open' THEN 1 ELSE 0 END) AS open_deals,
    coalesce(sum(CASE WHEN deal.status = 'open' THEN deal.amount_base END), 0) AS open_amount_base,
    coalesce(
        sum(
            CASE
                WHEN deal.status = 'open'
                    THEN CAST(deal.amount_base * deal.probability_pct / 100 AS DECIMAL(18, 4))
            END
        ),
        0
    ) AS weighted_amount_base,
    sum(CASE WHEN deal.is_overdue THEN 1 ELSE 0 END) AS overdue_deals,
    sum(CASE WHEN deal.status = 'open' AND deal.still_days > 30 THEN 1 ELSE 0 END) AS stalled_deals,
    avg(CASE WHEN deal.status = 'open' THEN deal.age_days END) AS average_age_days,
    max(CASE WHEN deal.status = 'open' THEN deal.age_days END) AS oldest_age_days,
    sum(CASE WHEN deal.is_recent AND deal.status = 'won' THEN 1 ELSE 0 END) AS won_deals_90_days,
    coalesce(sum(CASE WHEN deal.is_recent AND deal.status = 'won' THEN deal.amount_base END), 0)
        AS won_amount_90_days_base,
    sum(CASE WHEN deal.is_recent AND deal.status = 'lost' THEN 1 ELSE 0 END) AS lost_deals_90_days,
    avg(CASE WHEN deal.is_recent AND deal.status = 'won' THEN deal.days_to_close END) AS average_days_to_win
FROM deal
LEFT JOIN core.staff AS staff ON staff.staff_id = deal.owner_id
GROUP BY deal.pipeline, deal.stage, deal.owner_id
