-- One row per person.
WITH chosen AS (
    SELECT
        customer_id,
        max(CASE WHEN column_name = 'full_name' THEN value END) AS full_name,
        max(CASE WHEN column_name = 'given_name' THEN value END) AS given_name,
        max(CASE WHEN column_name = 'family_name' THEN value END) AS family_name,
        max(CASE WHEN column_name = 'email' THEN value END) AS email,
        max(CASE WHEN column_name = 'phone' THEN value END) AS phone,
        max(CASE WHEN column_name = 'external_id' THEN value END) AS external_id,
        max(CASE WHEN column_name = 'company_name' THEN value END) AS company_name,
        max(CASE WHEN column_name = 'account_id' THEN value END) AS account_id,
        max(CASE WHEN column_name = 'account_link' THEN value END) AS account_link,
        max(CASE WHEN column_name = 'job_title' THEN value END) AS job_title,
        max(CASE WHEN column_name = 'street' THEN value END) AS street,
        max(CASE WHEN column_name = 'city' THEN value END) AS city,
        max(CASE WHEN column_name = 'region' THEN value END) AS region,
        max(CASE WHEN column_name = 'postcode' THEN value END) AS postcode,
        max(CASE WHEN column_name = 'country' THEN value END) AS country,
        max(CASE WHEN column_name = 'birth_date' THEN value END) AS birth_date,
        max(CASE WHEN column_name = 'language' THEN value END) AS language,
        max(CASE WHEN column_name = 'lifecycle_stage' THEN value END) AS lifecycle_stage,
        max(CASE WHEN column_name = 'lead_source' THEN value END) AS lead_source,
        max(CASE WHEN column_name = 'owner_id' THEN value END) AS owner_id,
        max(CASE WHEN column_name = 'is_subscribed' THEN value END) AS is_subscribed
    FROM core.customer_origin
    GROUP BY customer_id
),
counted AS (
    SELECT
        assignment.customer_id,
        min(record.created_at) AS created_at,
        max(record.updated_at) AS updated_at,
        string_agg(DISTINCT record.source, ', ' ORDER BY record.source) AS sources,
        count(*) AS records,
        coalesce(bool_and(record.is_deleted), FALSE) AS is_deleted
    FROM identity.assignment AS assignment
    LEFT JOIN identity.record AS record ON record.record_id = assignment.record_id
    GROUP BY assignment.customer_id
),
ordered AS (
    SELECT known.customer_id, min(sales_order.ordered_at) AS first_ordered_at
    FROM identity.sales_order AS known
    INNER JOIN clean.sales_order AS sales_order
        ON sales_order.source = known.source AND sales_order.source_id = known.source_id
    GROUP BY known.customer_id
)
SELECT
    counted.customer_id,
    chosen.full_name,
    chosen.given_name,
    chosen.family_name,
    chosen.email,
    chosen.phone,
    chosen.external_id,
    chosen.company_name,
    chosen.account_id,
    chosen.account_link,
    chosen.job_title,
    chosen.street,
    chosen.city,
    chosen.region,
    chosen.postcode,
    chosen.country,
    CAST(chosen.birth_date AS DATE) AS birth_date,
    chosen.language,
    chosen.lifecycle_stage,
    chosen.lead_source,
    chosen.owner_id,
    CAST(chosen.is_subscribed AS BOOLEAN) AS is_subscribed,
    counted.created_at,
    least(counted.created_at, ordered.first_ordered_at) AS first_seen_at,
    counted.updated_at,
    counted.sources,
    counted.records,
    counted.is_deleted
FROM counted
LEFT JOIN chosen ON chosen.customer_id = counted.customer_id
LEFT JOIN ordered ON ordered.customer_id = counted.customer_id
