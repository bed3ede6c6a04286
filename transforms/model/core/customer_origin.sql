-- One row per customer and column of core.customer that has a value: where the value comes from, and why from there.
WITH record AS (
    SELECT
        assignment.customer_id,
        assignment.record_id,
        record.source,
        record.kind,
        coalesce(record.full_name, nullif(concat_ws(' ', record.given_name, record.family_name), '')) AS full_name,
        record.given_name,
        record.family_name,
        record.email,
        record.phone,
        record.external_id,
        coalesce(record.company_name, company.name) AS company_name,
        coalesce(account.account_id, by_domain.account_id) AS account_id,
        CASE
            WHEN account.account_id IS NOT NULL THEN 'record'
            WHEN by_domain.account_id IS NOT NULL THEN 'domain'
        END AS account_link,
        contact.job_title,
        record.street,
        record.city,
        record.region,
        record.postcode,
        record.country,
        CAST(record.birth_date AS VARCHAR) AS birth_date,
        contact.language,
        contact.lifecycle_stage,
        contact.lead_source,
        staff.staff_id AS owner_id,
        CAST(contact.is_subscribed AS VARCHAR) AS is_subscribed,
        record.updated_at,
        record.is_deleted
    FROM identity.assignment AS assignment
    INNER JOIN identity.record AS record ON record.record_id = assignment.record_id
    LEFT JOIN clean.contact AS contact ON contact.source = record.source AND contact.source_id = record.source_id
    LEFT JOIN clean.company AS company
        ON company.source = contact.source AND company.source_id = contact.company_id
    LEFT JOIN identity.account AS account
        ON account.source = contact.source AND account.source_id = contact.company_id
    LEFT JOIN identity.account_domain AS by_domain ON by_domain.domain = split_part(record.email, '@', 2)
    LEFT JOIN identity.staff AS staff ON staff.source = contact.source AND staff.source_id = contact.owner_id
),
weighed AS (
    SELECT
        record.*,
        CASE
            WHEN coalesce(street, city, postcode) IS NOT NULL
                THEN concat_ws(', ', street, city, region, postcode, country)
        END AS address,
        coalesce(lower(street) IN ('street', 'address', 'adresse', 'strasse', 'straße', 'musterstraße 1', 'test'), FALSE)
        OR coalesce(lower(city) IN ('city', 'town', 'ort', 'stadt', 'musterstadt', 'test'), FALSE)
        OR coalesce(postcode = '00000', FALSE) AS is_sample_address,
        CASE WHEN full_name IS NULL THEN 0 ELSE 1 END
        + CASE WHEN email IS NULL THEN 0 ELSE 1 END
        + CASE WHEN phone IS NULL THEN 0 ELSE 1 END
        + CASE WHEN street IS NULL THEN 0 ELSE 1 END
        + CASE WHEN postcode IS NULL THEN 0 ELSE 1 END AS filled
    FROM record
),
ranked AS (
    SELECT
        weighed.*,
        row_number() OVER (
            PARTITION BY customer_id
            ORDER BY
                CASE WHEN kind = 'contact' THEN 1 ELSE 2 END, updated_at DESC NULLS LAST, filled DESC, record_id
        ) AS record_rank
    FROM weighed
),
-- What is chosen for itself: a name, an address, or one column. trusted_as: under which name millpond.toml trusts it.
topic AS (
    SELECT *
    FROM (
        VALUES
        ('name', 'name'),
        ('email', 'email'),
        ('phone', 'phone'),
        ('external_id', 'external_id'),
        ('company_name', 'company_name'),
        ('account_id', 'account_id'),
        ('job_title', 'job_title'),
        ('address', 'address'),
        ('country', 'address'),
        ('birth_date', 'birth_date'),
        ('language', 'language'),
        ('lifecycle_stage', 'lifecycle_stage'),
        ('lead_source', 'lead_source'),
        ('owner_id', 'owner_id'),
        ('is_subscribed', 'is_subscribed')
    ) AS listed (topic, trusted_as)
),
offered AS (
    SELECT
        record.customer_id,
        topic.topic,
        CASE topic.topic
            WHEN 'name' THEN record.full_name
            WHEN 'email' THEN record.email
            WHEN 'phone' THEN record.phone
            WHEN 'external_id' THEN record.external_id
            WHEN 'company_name' THEN record.company_name
            WHEN 'account_id' THEN record.account_id
            WHEN 'job_title' THEN record.job_title
            WHEN 'address' THEN record.address
            WHEN 'country' THEN record.country
            WHEN 'birth_date' THEN record.birth_date
            WHEN 'language' THEN record.language
            WHEN 'lifecycle_stage' THEN record.lifecycle_stage
            WHEN 'lead_source' THEN record.lead_source
            WHEN 'owner_id' THEN record.owner_id
            WHEN 'is_subscribed' THEN record.is_subscribed
        END AS value,
        record.record_id,
        record.source,
        record.updated_at,
        record.is_deleted,
        record.kind,
        record.filled,
        record.record_rank,
        record.is_sample_address,
        -- A company that somebody has entered goes before one that follows from an e-mail address.
        topic.topic = 'account_id' AND record.account_link = 'domain' AS is_inferred,
        coalesce(trust.trust, 50) AS trust
    FROM ranked AS record
    CROSS JOIN topic
    LEFT JOIN meta.source_trust AS trust
        ON trust.source = record.source AND trust.column_name = topic.trusted_as
),
-- What stands there only because something had to. Cleaning has taken out 'n/a' and its like.
judged AS (
    SELECT
        offered.*,
        CASE topic
            WHEN 'name' THEN value LIKE '%@%' OR lower(value) IN (
                'guest', 'guest user', 'gast', 'gastkunde', 'customer', 'walk-in customer', 'kunde', 'laufkunde',
                'laufkundschaft', 'barverkauf', 'test', 'test test', 'test user', 'testkunde', 'no name', 'noname',
                'anonymous', 'anonym', 'max mustermann', 'erika mustermann', 'john doe', 'jane doe', 'first last',
                'first name last name', 'vorname nachname', 'xxx', 'asdf'
            )
            WHEN 'email' THEN split_part(value, '@', 1) IN (
                'noreply', 'no-reply', 'donotreply', 'do-not-reply', 'noemail', 'nomail', 'keine', 'keineemail',
                'keine-email', 'none', 'unknown'
            )
            -- Marketplaces forward for a while and never say who it is.
            OR value LIKE '%@marketplace.amazon.%' OR value LIKE '%@members.ebay.%'
            WHEN 'company_name' THEN lower(value) IN (
                'privat', 'private', 'privatkunde', 'privatperson', 'private person', 'individual', 'self', 'no company',
                'keine', 'keine firma', 'company', 'firma'
            )
            WHEN 'address' THEN is_sample_address
            WHEN 'birth_date' THEN value IN ('1899-12-30', '1899-12-31', '1900-01-01', '1904-01-01', '1970-01-01')
            WHEN 'lifecycle_stage' THEN value = 'other'
            WHEN 'lead_source' THEN lower(value) IN ('other', 'sonstige', 'sonstiges', '(none)', '(not set)')
            ELSE FALSE
        END AS is_placeholder
    FROM offered
    WHERE value IS NOT NULL
),
-- The lower the place, the better: real values, stated ones, live records, then trust, then the record's own rank.
placed AS (
    SELECT
        judged.*,
        (
            (
                CASE WHEN is_placeholder THEN 4 ELSE 0 END
                + CASE WHEN is_inferred THEN 2 ELSE 0 END
                + CASE WHEN is_deleted THEN 1 ELSE 0 END
            ) * 101 + 100 - trust
        ) * 10000000 + record_rank AS place
    FROM judged
),
best AS (
    SELECT customer_id, topic, min(place) AS place
    FROM placed
    GROUP BY customer_id, topic
),
chosen AS (
    SELECT placed.*
    FROM placed
    INNER JOIN best
        ON best.customer_id = placed.customer_id AND best.topic = placed.topic AND best.place = placed.place
),
-- The values that it won over, and the place of the strongest.
beaten AS (
    SELECT
        other.customer_id,
        other.topic,
        count(DISTINCT other.value) AS other_values,
        min(other.place) AS place
    FROM placed AS other
    INNER JOIN chosen ON chosen.customer_id = other.customer_id AND chosen.topic = other.topic
    WHERE other.value <> chosen.value
    GROUP BY other.customer_id, other.topic
),
explained AS (
    SELECT
        chosen.customer_id,
        chosen.topic,
        chosen.value,
        chosen.record_id,
        chosen.source,
        chosen.updated_at,
        CASE
            WHEN rival.record_id IS NULL THEN 'only_value'
            WHEN chosen.is_placeholder <> rival.is_placeholder THEN 'no_placeholder'
            WHEN chosen.is_inferred <> rival.is_inferred THEN 'stated'
            WHEN chosen.is_deleted <> rival.is_deleted THEN 'not_deleted'
            WHEN chosen.trust <> rival.trust THEN 'trust'
            WHEN chosen.kind <> rival.kind THEN 'contact_record'
            WHEN chosen.updated_at IS DISTINCT FROM rival.updated_at THEN 'latest'
            WHEN chosen.filled <> rival.filled THEN 'most_complete'
            ELSE 'tie'
        END AS reason,
        coalesce(beaten.other_values, 0) AS other_values
    FROM chosen
    LEFT JOIN beaten ON beaten.customer_id = chosen.customer_id AND beaten.topic = chosen.topic
    LEFT JOIN placed AS rival
        ON rival.customer_id = beaten.customer_id AND rival.topic = beaten.topic AND rival.place = beaten.place
),
part AS (
    SELECT *
    FROM (
        VALUES
        ('name', 'full_name'),
        ('name', 'given_name'),
        ('name', 'family_name'),
        ('account_id', 'account_id'),
        ('account_id', 'account_link'),
        ('address', 'street'),
        ('address', 'city'),
        ('address', 'region'),
        ('address', 'postcode'),
        ('address', 'country')
    ) AS listed (topic, column_name)
),
-- The parts of a name, and of an address, come from one record each, and so does a company with the way to it.
taken_apart AS (
    SELECT
        explained.customer_id,
        part.column_name,
        CASE part.column_name
            WHEN 'full_name' THEN record.full_name
            WHEN 'given_name' THEN record.given_name
            WHEN 'family_name' THEN record.family_name
            WHEN 'account_id' THEN record.account_id
            WHEN 'account_link' THEN record.account_link
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
    explained.customer_id,
    explained.topic AS column_name,
    explained.value,
    explained.record_id,
    explained.source,
    explained.updated_at,
    explained.reason,
    explained.other_values
FROM explained
-- A country without more counts where the address has none.
LEFT JOIN taken_apart AS addressed
    ON addressed.customer_id = explained.customer_id
    AND addressed.column_name = explained.topic
    AND addressed.value IS NOT NULL
WHERE explained.topic NOT IN ('name', 'account_id', 'address') AND addressed.customer_id IS NULL
