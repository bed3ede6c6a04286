-- One row per profile that lacks a name which its e-mail address seems to tell: anna.schmidt@, a.schmidt@, aschmidt@.
-- A part of the address counts as a name where other records have it as one.
WITH part AS (
    SELECT
        profile,
        list_filter(string_split_regex(folded(strip_accents(local)), '[^a-z]+'), x -> x <> '') AS parts
    FROM form
    WHERE (given IS NULL OR family IS NULL) AND local IS NOT NULL AND organisation IS NULL
),
cut AS (
    SELECT
        profile,
        parts[1] AS first,
        CASE WHEN len(parts) > 1 THEN parts[-1] END AS last,
        CASE WHEN len(parts) = 1 THEN parts[1][2:] END AS rest
    FROM part
    WHERE len(parts) BETWEEN 1 AND 3
),
-- annaschmidt@: cut where exactly one cut gives two known names.
glued AS (
    SELECT profile, min(given) AS given, min(family) AS family
    FROM (
        SELECT profile, first[: i] AS given, first[i + 1 :] AS family
        FROM (SELECT profile, first, unnest(range(3, length(first) - 2)) AS i FROM cut WHERE last IS NULL AND length(first) > 6)
    ) AS candidate
    WHERE given IN (SELECT name FROM known_given) AND family IN (SELECT name FROM known_family)
    GROUP BY profile
    HAVING count(*) = 1
),
known AS (
    SELECT
        cut.*,
        glued.given AS glued_given,
        glued.family AS glued_family,
        cut.first IN (SELECT name FROM known_given) AS is_first_given,
        cut.first IN (SELECT name FROM known_family) AS is_first_family,
        coalesce(cut.last IN (SELECT name FROM known_given), FALSE) AS is_last_given,
        coalesce(cut.last IN (SELECT name FROM known_family), FALSE) AS is_last_family,
        coalesce(cut.rest IN (SELECT name FROM known_family), FALSE) AS is_rest_family
    FROM cut
    LEFT JOIN glued ON glued.profile = cut.profile
),
told AS (
    SELECT
        *,
        CASE
            WHEN last IS NULL AND is_first_given AND NOT is_first_family THEN 'given'
            WHEN last IS NULL AND is_first_family AND NOT is_first_given THEN 'family'
            WHEN last IS NULL AND (is_first_given OR is_first_family) THEN NULL
            WHEN last IS NULL AND glued_given IS NOT NULL THEN 'glued'
            WHEN last IS NULL AND is_rest_family THEN 'initial'
            WHEN is_last_family AND (is_first_given OR length(first) = 1) THEN 'given.family'
            WHEN is_first_given AND length(last) = 1 THEN 'given.family'
            WHEN is_first_family AND (is_last_given OR length(last) = 1) THEN 'family.given'
            WHEN is_last_family OR is_first_given THEN 'given.family'
        END AS shape
    FROM known
)
SELECT
    profile,
    CASE shape
        WHEN 'given' THEN first
        WHEN 'glued' THEN glued_given
        WHEN 'initial' THEN left(first, 1)
        WHEN 'given.family' THEN first
        WHEN 'family.given' THEN last
    END AS given,
    CASE shape
        WHEN 'family' THEN first
        WHEN 'glued' THEN glued_family
        WHEN 'initial' THEN rest
        WHEN 'given.family' THEN last
        WHEN 'family.given' THEN first
    END AS family
FROM told
WHERE shape IS NOT NULL
