-- One row per company record of a source, deleted ones too: their deals and invoices still belong to the same account.
SELECT
    'company:' || source || ':' || source_id AS record_id,
    source,
    source_id,
    -- The 'g' flag is DuckDB's and PostgreSQL's; other engines replace every match anyway.
    nullif(regexp_replace(upper(vat_id), '[^A-Z0-9]+', '', 'g'), '') AS external_id,
    name AS company_name,
    nullif(lower(domain), '') AS domain,
    email,
    phone,
    street,
    city,
    postcode
FROM clean.company
