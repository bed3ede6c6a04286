-- One row per company record of a source, with the account that it belongs to.
WITH lowered AS (
    SELECT
        source,
        source_id,
        nullif(lower(domain), '') AS domain,
        -- The 'g' flag is DuckDB's and PostgreSQL's; other engines replace every match anyway.
        trim(regexp_replace(lower(name), '[^\p{L}\p{N}]+', ' ', 'g')) AS name
    FROM clean.company
),
named AS (
    SELECT
        source,
        source_id,
        domain,
        -- Twice, for "gmbh co kg".
        nullif(
            regexp_replace(
                regexp_replace(
                    name,
                    '( (gmbh|mbh|ag|kg|ohg|ug|se|ltd|limited|llc|llp|plc|inc|incorporated|corp|corporation|co|company'
                    || '|bv|nv|sa|sas|sarl|srl|spa|oy|ab|as|aps|pty|ltda|eireli|me|und|and))+$',
                    ''
                ),
                '( (co|und|and))+$',
                ''
            ),
            ''
        ) AS plain_name
    FROM lowered
),
-- A domain under many names in one source is a mail provider or a placeholder and identifies nobody.
shared_domain AS (
    SELECT DISTINCT domain
    FROM (
        SELECT source, domain
        FROM named
        WHERE domain IS NOT NULL
        GROUP BY source, domain
        HAVING count(DISTINCT plain_name) > 3
    ) AS crowded
),
own_domain AS (
    SELECT
        named.source,
        named.source_id,
        named.plain_name,
        CASE WHEN shared_domain.domain IS NULL THEN named.domain END AS domain
    FROM named
    LEFT JOIN shared_domain ON shared_domain.domain = named.domain
),
-- A name that goes with one domain only stands for that domain where a record has none.
domain_of_name AS (
    SELECT plain_name, min(domain) AS domain
    FROM own_domain
    WHERE plain_name IS NOT NULL AND domain IS NOT NULL
    GROUP BY plain_name
    HAVING count(DISTINCT domain) = 1
)
SELECT
    'company:' || own_domain.source || ':' || own_domain.source_id AS record_id,
    own_domain.source,
    own_domain.source_id,
    own_domain.domain,
    own_domain.plain_name,
    coalesce(
        'domain:' || own_domain.domain,
        'domain:' || domain_of_name.domain,
        'name:' || own_domain.plain_name,
        own_domain.source || ':' || own_domain.source_id
    ) AS account_id,
    CASE
        WHEN own_domain.domain IS NOT NULL THEN 'domain'
        WHEN domain_of_name.domain IS NOT NULL THEN 'name_of_a_domain'
        WHEN own_domain.plain_name IS NOT NULL THEN 'name'
        ELSE 'own_id'
    END AS evidence
FROM own_domain
LEFT JOIN domain_of_name ON domain_of_name.plain_name = own_domain.plain_name
