-- One row per staff record of a source, with the staff member: records with one e-mail address are one person.
SELECT
    source,
    source_id,
    CASE
        WHEN email <> '' THEN min(source || ':' || source_id) OVER (PARTITION BY email)
        ELSE source || ':' || source_id
    END AS staff_id
FROM clean.staff
