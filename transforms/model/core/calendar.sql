-- One row per day, from the first day with data until 90 days after the night.
WITH seen AS (
    SELECT min(ordered_at) AS first_at FROM clean.sales_order WHERE NOT is_deleted
    UNION ALL
    SELECT min(paid_at) FROM clean.payment WHERE NOT is_deleted
    UNION ALL
    SELECT min(created_at) FROM clean.deal WHERE NOT is_deleted
    UNION ALL
    SELECT min(created_at) FROM clean.ticket WHERE NOT is_deleted
    UNION ALL
    SELECT min(submitted_at) FROM clean.feedback WHERE NOT is_deleted
    UNION ALL
    SELECT min(occurred_at) FROM clean.marketing_touch WHERE NOT is_deleted
    UNION ALL
    SELECT min(started_at) FROM clean.web_session WHERE NOT is_deleted
    UNION ALL
    SELECT CAST(min(date) AS TIMESTAMPTZ) FROM clean.ad_performance WHERE NOT is_deleted
    UNION ALL
    SELECT CAST(min(date) AS TIMESTAMPTZ) FROM clean.inventory_level WHERE NOT is_deleted
),
-- Twenty years at the most: one order dated 1900 must not make a calendar of a century.
bounds AS (
    SELECT
        greatest(
            coalesce(min(CAST(seen.first_at AT TIME ZONE night.timezone AS DATE)), night.as_of),
            CAST(night.as_of - INTERVAL 20 YEAR AS DATE)
        ) AS first_date,
        night.as_of + 90 AS last_date
    FROM meta.night AS night
    LEFT JOIN seen ON TRUE
    GROUP BY night.as_of
),
day AS (
    SELECT CAST(unnest(generate_series(least(first_date, last_date), last_date, INTERVAL 1 DAY)) AS DATE) AS date
    FROM bounds
),
stated AS (
    SELECT
        date,
        bool_and(is_open) AS is_open,
        min(nullif(holiday, '')) AS holiday,
        min(nullif(note, '')) AS note
    FROM clean.calendar
    WHERE NOT is_deleted
    GROUP BY date
),
public_holiday AS (
    SELECT date, min(name) AS name FROM meta.holiday GROUP BY date
)
SELECT
    day.date,
    extract(YEAR FROM day.date) AS year,
    extract(QUARTER FROM day.date) AS quarter,
    extract(MONTH FROM day.date) AS month,
    CAST(date_trunc('MONTH', day.date) AS DATE) AS month_date,
    CAST(date_trunc('WEEK', day.date) AS DATE) AS week_date,
    extract(ISODOW FROM day.date) AS weekday,
    CASE extract(ISODOW FROM day.date)
        WHEN 1 THEN 'Monday'
        WHEN 2 THEN 'Tuesday'
        WHEN 3 THEN 'Wednesday'
        WHEN 4 THEN 'Thursday'
        WHEN 5 THEN 'Friday'
        WHEN 6 THEN 'Saturday'
        ELSE 'Sunday'
    END AS weekday_name,
    extract(ISODOW FROM day.date) >= 6 AS is_weekend,
    coalesce(stated.holiday, public_holiday.name) IS NOT NULL AS is_holiday,
    coalesce(stated.holiday, public_holiday.name) AS holiday,
    coalesce(stated.is_open, TRUE) AS is_open,
    stated.note,
    day.date > night.as_of AS is_future
FROM day
CROSS JOIN meta.night AS night
LEFT JOIN stated ON stated.date = day.date
LEFT JOIN public_holiday ON public_holiday.date = day.date
