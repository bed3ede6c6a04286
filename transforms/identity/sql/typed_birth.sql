-- Birth dates that very many records share are typed where a form insists on one.
CREATE TABLE typed_birth AS
SELECT value FROM count_birth
WHERE records > 10 + 20 * (SELECT median(records) FROM count_birth)
    AND records > 0.002 * (SELECT sum(records) FROM count_birth);
DELETE FROM count_birth WHERE value IN (SELECT value FROM typed_birth);
