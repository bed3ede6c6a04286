-- One row per account and column of core.account that has a value: where the value comes from, and why from there.
WITH record AS (
    SELECT
        known.account_id,
        known.record_id,
        known.source,
        company.name,
        company.domain,
        company.website,
        company.email,
        company.phone,
        company.vat_id,
        company.industry,
        CAST(company.employees AS VARCHAR) AS employees,
        CAST(company.annual_revenue AS VARCHAR) AS annual_revenue,
        company.currency,
        company.street,
        company.city,
        company.region,
        company.postcode,
        company.country,
        CASE
            WHEN coalesce(company.street, company.city, company.postcode, company.country) IS NOT NULL
                THEN concat_ws(
                    ', ', company.street, company.city, company.region, company.postcode, company.country
                )
        END AS address,
        staff.staff_id AS owner_id,
        coalesce(company.source_updated_at, company.created_at) AS updated_at,
        company.is_deleted,
        CASE WHEN company.domain IS NULL THEN 0 ELSE 1 END
        + CASE WHEN company.email IS NULL THEN 0 ELSE 1 END
        + CASE WHEN company.phone IS NULL THEN 0 ELSE 1 END
        + CASE WHEN company.street IS NULL THEN 0 ELSE 1 END
        + CASE WHEN company.postcode IS NULL THEN 0 ELSE 1 END AS filled
    FROM clean.company AS company
    INNER JOIN identity.account AS known ON known.source = company.source AND known.source_id = company.source_id
    LEFT JOIN identity.staff AS staff ON staff.source = company.source AND staff.source_id = company.owner_id
),
ranked AS (
    SELECT
        record.*,
        row_number() OVER (PARTITION BY account_id ORDER BY updated_at DESC NULLS LAST, filled DESC, record_id)
            AS record_rank
    FROM record
),
-- What is chosen for itself: a column, or an address or an amount with its currency as a whole.
topic AS (
    SELECT *
    FROM (
        VALUES
        ('name'),
        ('domain'),
        ('website'),
        ('email'),
        ('phone'),
        ('vat_id'),
        ('industry'),
        ('employees'),
        ('annual_revenue'),
        ('address'),
        ('owner_id')
    ) AS listed (topic)
),
offered AS (
    SELECT
        record.account_id,
        topic.topic,
        CASE topic.topic
            WHEN 'name' THEN record.name
            WHEN 'domain' THEN record.domain
            WHEN 'website' THEN record.website
            WHEN 'email' THEN record.email
            WHEN 'phone' THEN record.phone
            WHEN 'vat_id' THEN record.vat_id
            WHEN 'industry' THEN record.industry
            WHEN 'employees' THEN record.employees
            WHEN 'annual_revenue' THEN record.annual_revenue
            WHEN 'address' THEN record.address
            WHEN 'owner_id' THEN record.owner_id
        END AS value,
        record.record_id,
        record.source,
        record.updated_at,
        record.is_deleted,
        record.filled,
        record.record_rank,
        coalesce(trust.trust, 50) AS trust
    FROM ranked AS record
    CROSS JOIN topic
    LEFT JOIN meta.source_trust AS trust ON trust.source = record.source AND trust.column_name = topic.topic
),
-- The lower the place, the better: live records first, then trust, then the record's own rank.
placed AS (
    SELECT
        offered.*,
        (CASE WHEN is_deleted THEN 101 ELSE 0 END + 100 - trust) * 10000000 + record_rank AS place
    FROM offered
    WHERE value IS NOT NULL
),
best AS (
    SELECT account_id, topic, min(place) AS place
    FROM placed
    GROUP BY account_id, topic
),
chosen AS (
    SELECT placed.*
    FROM placed
    INNER JOIN best
        ON best.account_id = placed.account_id AND best.topic = placed.topic AND best.place = placed.place
),
-- The values that it won over, and the place of the strongest.
beaten AS (
    SELECT
        other.account_id,
        other.topic,
        count(DISTINCT other.value) AS other_values,
        min(other.place) AS place
    FROM placed AS other
    INNER JOIN chosen ON chosen.account_id = other.account_id AND chosen.topic = other.topic
    WHERE other.value <> chosen.value
    GROUP BY other.account_id, other.topic
),
explained AS (
    SELECT
        chosen.account_id,
        chosen.topic,
        chosen.value,
        chosen.record_id,
        chosen.source,
        chosen.updated_at,
        CASE
            WHEN rival.record_id IS NULL THEN 'only_value'
            WHEN chosen.is_deleted <> rival.is_deleted THEN 'not_deleted'
            WHEN chosen.trust <> rival.trust THEN 'trust'
            WHEN chosen.updated_at IS DISTINCT FROM rival.updated_at THEN 'latest'
            WHEN chosen.filled <> rival.filled THEN 'most_complete'
            ELSE 'tie'
        END AS reason,
        coalesce(beaten.other_values, 0) AS other_values
    FROM chosen
    LEFT JOIN beaten ON beaten.account_id = chosen.account_id AND beaten.topic = chosen.topic
    LEFT JOIN placed AS rival
        ON rival.account_id = beaten.account_id AND rival.topic = beaten.topic AND rival.place = beaten.place
),
part AS (
    SELECT *
    FROM (
        VALUES
        ('annual_revenue', 'annual_revenue'),
        ('annual_revenue', 'currency'),
        ('address', 'street'),
        ('address', 'city'),
        ('address', 'region'),
        ('address', 'postcode'),
        ('address', 'country')
    ) AS listed (topic, column_name)
),
-- Amount and currency, and the parts of an address, come from one record each.
taken_apart AS (
    SELECT
        explained.account_id,
        part.column_name,
        CASE part.column_name
            WHEN 'annual_revenue' THEN record.annual_revenue
            WHEN 'currency' THEN record.currency
            WHEN 'street' THEN record.street
            WHEN 'city' THEN record.city
            WHEN 'region' THEN record.region
            WHEN 'postcode' THEN record.postcode
            WHEN 'country' THEN record.country
        END AS value,
        explained.record_id,
        explained.source,
        explained.updated_at,
        explained.reason,
        explained.other_values
    FROM explained
    INNER JOIN part ON part.topic = explained.topic
    INNER JOIN record ON record.record_id = explained.record_id
)
SELECT *
FROM taken_apart
WHERE value IS NOT NULL
UNION ALL
SELECT
    account_id,
    topic AS column_name,
    value,
    record_id,
    source,
    updated_at,
    reason,
    other_values
FROM explained
WHERE topic NOT IN ('annual_revenue', 'address')
