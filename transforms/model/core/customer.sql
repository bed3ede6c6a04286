-- One row per person.
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
        account.account_id,
        contact.job_title,
        record.street,
        record.city,
        record.region,
        record.postcode,
        record.country,
        record.birth_date,
        contact.language,
        contact.lifecycle_stage,
        contact.lead_source,
        staff.staff_id,
        contact.is_subscribed,
        record.created_at,
        record.updated_at,
        record.is_deleted
    FROM identity.assignment AS assignment
    LEFT JOIN identity.record AS record ON record.record_id = assignment.record_id
    LEFT JOIN clean.contact AS contact ON contact.source = record.source AND contact.source_id = record.source_id
    LEFT JOIN clean.company AS company
        ON company.source = contact.source AND company.source_id = contact.company_id
    LEFT JOIN identity.account AS account
        ON account.source = contact.source AND account.source_id = contact.company_id
    LEFT JOIN identity.staff AS staff ON staff.source = contact.source AND staff.source_id = contact.owner_id
),
-- Best record first: live before deleted, contacts before bare addresses, the latest, then the most complete.
ranked AS (
    SELECT
        record.*,
        row_number() OVER (
            PARTITION BY customer_id
            ORDER BY
                is_deleted NULLS LAST,
                CASE WHEN kind = 'contact' THEN 1 ELSE 2 END,
                updated_at DESC NULLS LAST,
                CASE WHEN full_name IS NULL THEN 0 ELSE 1 END
                + CASE WHEN email IS NULL THEN 0 ELSE 1 END
                + CASE WHEN phone IS NULL THEN 0 ELSE 1 END
                + CASE WHEN street IS NULL THEN 0 ELSE 1 END
                + CASE WHEN postcode IS NULL THEN 0 ELSE 1 END DESC,
                record_id
        ) AS choice
    FROM record
),
survivor AS (
    SELECT
        customer_id,
        min(CASE WHEN full_name IS NOT NULL THEN choice END) AS name_choice,
        min(CASE WHEN coalesce(street, city, postcode) IS NOT NULL THEN choice END) AS address_choice,
        min_by(country, CASE WHEN country IS NOT NULL THEN choice END) AS country,
        min_by(email, CASE WHEN email IS NOT NULL THEN choice END) AS email,
        min_by(phone, CASE WHEN phone IS NOT NULL THEN choice END) AS phone,
        min_by(external_id, CASE WHEN external_id IS NOT NULL THEN choice END) AS external_id,
        min_by(company_name, CASE WHEN company_name IS NOT NULL THEN choice END) AS company_name,
        min_by(account_id, CASE WHEN account_id IS NOT NULL THEN choice END) AS account_id,
        min_by(job_title, CASE WHEN job_title IS NOT NULL THEN choice END) AS job_title,
        min_by(birth_date, CASE WHEN birth_date IS NOT NULL THEN choice END) AS birth_date,
        min_by(language, CASE WHEN language IS NOT NULL THEN choice END) AS language,
        min_by(lifecycle_stage, CASE WHEN lifecycle_stage IS NOT NULL THEN choice END) AS lifecycle_stage,
        min_by(lead_source, CASE WHEN lead_source IS NOT NULL THEN choice END) AS lead_source,
        min_by(staff_id, CASE WHEN staff_id IS NOT NULL THEN choice END) AS owner_id,
        min_by(is_subscribed, CASE WHEN is_subscribed IS NOT NULL THEN choice END) AS is_subscribed,
        min(created_at) AS created_at,
        max(updated_at) AS updated_at,
        string_agg(DISTINCT source, ', ' ORDER BY source) AS sources,
        count(*) AS records,
        coalesce(bool_and(is_deleted), FALSE) AS is_deleted
    FROM ranked
    GROUP BY customer_id
)
SELECT
    survivor.customer_id,
    -- The parts of a name, and of an address, come from one record each.
    name.full_name,
    name.given_name,
    name.family_name,
    survivor.email,
    survivor.phone,
    survivor.external_id,
    survivor.company_name,
    survivor.account_id,
    survivor.job_title,
    address.street,
    address.city,
    address.region,
    address.postcode,
    coalesce(address.country, survivor.country) AS country,
    survivor.birth_date,
    survivor.language,
    survivor.lifecycle_stage,
    survivor.lead_source,
    survivor.owner_id,
    survivor.is_subscribed,
    survivor.created_at,
    survivor.updated_at,
    survivor.sources,
    survivor.records,
    survivor.is_deleted
FROM survivor
LEFT JOIN ranked AS name
    ON name.customer_id = survivor.customer_id AND name.choice = survivor.name_choice
LEFT JOIN ranked AS address
    ON address.customer_id = survivor.customer_id AND address.choice = survivor.address_choice
