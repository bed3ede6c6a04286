-- One row per person record of a source: every contact, and every (source, e-mail) seen without a contact.
WITH contact AS (
    SELECT
        'contact:' || source || ':' || source_id AS record_id,
        source,
        source_id,
        'contact' AS kind,
        external_id,
        full_name,
        given_name,
        family_name,
        email,
        phone,
        company_name,
        street,
        city,
        region,
        postcode,
        country,
        birth_date,
        created_at,
        coalesce(source_updated_at, created_at) AS updated_at,
        -- Deleted contacts stay: their orders still belong to the same person.
        is_deleted
    FROM clean.contact
),
mention AS (
    SELECT source, contact_id, email, phone, ordered_at AS seen_at FROM clean.sales_order WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, paid_at FROM clean.payment WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, created_at FROM clean.ticket WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, submitted_at FROM clean.feedback WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, started_at FROM clean.subscription WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, occurred_at FROM clean.marketing_touch WHERE NOT is_deleted
    UNION ALL
    SELECT source, contact_id, email, NULL, occurred_at FROM clean.consent_event WHERE NOT is_deleted
),
orphan AS (
    SELECT mention.source, mention.email, mention.phone, mention.seen_at
    FROM mention
    LEFT JOIN clean.contact AS known
        ON known.source = mention.source AND known.source_id = mention.contact_id
    WHERE known.source_id IS NULL AND mention.email <> ''
),
latest_phone AS (
    SELECT
        source,
        email,
        phone,
        row_number() OVER (PARTITION BY source, email ORDER BY seen_at DESC NULLS LAST, phone) AS recency
    FROM orphan
    WHERE phone IS NOT NULL
),
implied AS (
    SELECT source, email, min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at
    FROM orphan
    GROUP BY source, email
)
SELECT * FROM contact
UNION ALL
SELECT
    'email:' || implied.source || ':' || implied.email AS record_id,
    implied.source,
    NULL AS source_id,
    'email' AS kind,
    NULL AS external_id,
    NULL AS full_name,
    NULL AS given_name,
    NULL AS family_name,
    implied.email,
    latest_phone.phone,
    NULL AS company_name,
    NULL AS street,
    NULL AS city,
    NULL AS region,
    NULL AS postcode,
    NULL AS country,
    NULL AS birth_date,
    implied.first_seen_at AS created_at,
    implied.last_seen_at AS updated_at,
    FALSE AS is_deleted
FROM implied
LEFT JOIN latest_phone
    ON latest_phone.source = implied.source AND latest_phone.email = implied.email AND latest_phone.recency = 1
