-- One row per customer.
WITH counted AS (
    SELECT
        assignment.customer_id,
        count(*) AS records,
        count(DISTINCT lower(record.full_name)) AS names,
        count(DISTINCT record.birth_date) AS birth_dates
    FROM identity.assignment AS assignment
    INNER JOIN identity.record AS record ON record.record_id = assignment.record_id
    GROUP BY assignment.customer_id
),
usual AS (
    SELECT
        percentile_disc(0.99) WITHIN GROUP (ORDER BY records) AS records,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY names) AS names,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY birth_dates) AS birth_dates
    FROM counted
),
chosen AS (
    SELECT max(value) AS most_records FROM meta.setting WHERE name = 'suspicious_records'
)
SELECT
    counted.customer_id,
    counted.records,
    counted.names,
    counted.birth_dates,
    coalesce(chosen.most_records, greatest(10, 3 * usual.records)) AS most_records,
    greatest(4, 2 * usual.names) AS most_names,
    greatest(2, 2 * usual.birth_dates) AS most_birth_dates
FROM counted
CROSS JOIN usual
CROSS JOIN chosen
