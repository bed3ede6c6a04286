-- One row per customer record. Olist makes a new one for every order; customer_unique_id says who it is.
SELECT
    customer_id AS source_id,
    customer_unique_id AS external_id,
    customer_city AS city,
    customer_state AS region,
    customer_zip_code_prefix AS postcode,
    'BR' AS country
FROM raw.customers
