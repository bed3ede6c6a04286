-- One row per order of a source: its id, its customer, and how far its order number can be trusted as a key.
WITH numbered AS (
    SELECT
        source || ':' || source_id AS order_id,
        source,
        source_id,
        contact_id,
        email,
        nullif(upper(replace(trim(order_number), '#', '')), '') AS order_number
    FROM clean.sales_order
    WHERE NOT is_deleted
)
SELECT
    numbered.order_id,
    numbered.source,
    numbered.source_id,
    numbered.order_number,
    CASE
        WHEN numbered.order_number IS NULL THEN NULL
        WHEN count(*) OVER (PARTITION BY numbered.order_number) = 1 THEN 'company'
        WHEN count(*) OVER (PARTITION BY numbered.order_number, numbered.source) = 1 THEN 'source'
        ELSE 'none'
    END AS number_scope,
    coalesce(by_contact.customer_id, by_email.customer_id) AS customer_id
FROM numbered
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || numbered.source || ':' || numbered.contact_id
LEFT JOIN identity.assignment AS by_email
    ON by_email.record_id = 'email:' || numbered.source || ':' || numbered.email
