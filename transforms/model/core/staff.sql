-- One row per person who works for the business.
WITH ranked AS (
    SELECT
        known.staff_id,
        staff.full_name,
        staff.email,
        staff.role,
        staff.team,
        staff.is_active,
        staff.hired_date,
        staff.is_deleted,
        row_number() OVER (
            PARTITION BY known.staff_id
            ORDER BY staff.is_deleted, staff.source_updated_at DESC NULLS LAST, staff.source, staff.source_id
        ) AS choice
    FROM clean.staff AS staff
    INNER JOIN identity.staff AS known ON known.source = staff.source AND known.source_id = staff.source_id
)
-- Staff deleted at the source stay, inactive: their deals and tickets still point to them.
SELECT
    staff_id,
    min_by(full_name, CASE WHEN full_name IS NOT NULL THEN choice END) AS full_name,
    min_by(email, CASE WHEN email IS NOT NULL THEN choice END) AS email,
    min_by(role, CASE WHEN role IS NOT NULL THEN choice END) AS role,
    min_by(team, CASE WHEN team IS NOT NULL THEN choice END) AS team,
    coalesce(min_by(is_active, CASE WHEN is_active IS NOT NULL THEN choice END), TRUE)
        AND NOT bool_and(is_deleted) AS is_active,
    min(hired_date) AS hired_date,
    count(*) AS records
FROM ranked
GROUP BY staff_id
