-- One row per day and currency: the factor that turns an amount into the base currency.
WITH quoted AS (
    SELECT rate.date, rate.base_currency AS currency, rate.rate AS factor, 1 AS preference, rate.source, rate.source_id
    FROM clean.fx_rate AS rate
    CROSS JOIN meta.night AS night
    WHERE rate.quote_currency = night.base_currency AND rate.rate > 0 AND NOT rate.is_deleted
    UNION ALL
    SELECT rate.date, rate.quote_currency, 1 / rate.rate, 2, rate.source, rate.source_id
    FROM clean.fx_rate AS rate
    CROSS JOIN meta.night AS night
    WHERE rate.base_currency = night.base_currency AND rate.rate > 0 AND NOT rate.is_deleted
),
-- A pair quoted both ways on one day counts in its direct form.
chosen AS (
    SELECT date, currency, CAST(factor AS DECIMAL(20, 14)) AS factor
    FROM (
        SELECT
            quoted.*,
            row_number() OVER (PARTITION BY date, currency ORDER BY preference, source, source_id) AS choice
        FROM quoted
        CROSS JOIN meta.night AS night
        WHERE quoted.currency <> night.base_currency
    ) AS ranked
    WHERE choice = 1
),
-- Each rate is good until the day before the next, the last one until the calendar ends.
valid AS (
    SELECT
        chosen.currency,
        chosen.factor,
        chosen.date AS from_date,
        coalesce(
            lead(chosen.date) OVER (PARTITION BY chosen.currency ORDER BY chosen.date) - 1,
            CASE WHEN chosen.date > night.as_of + 90 THEN chosen.date ELSE night.as_of + 90 END
        ) AS to_date
    FROM chosen
    CROSS JOIN meta.night AS night
),
dense AS (
    SELECT
        CAST(unnest(generate_series(from_date, to_date, INTERVAL 1 DAY)) AS DATE) AS date,
        currency,
        factor,
        from_date
    FROM valid
)
SELECT
    dense.date,
    dense.currency,
    night.base_currency,
    dense.factor AS rate,
    dense.from_date AS quoted_date
FROM dense
CROSS JOIN meta.night AS night
