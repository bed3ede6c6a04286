-- One row per attempt to pay.
SELECT
    id AS source_id,
    json_extract_string(metadata, '$.order_number') AS order_number,
    customer AS contact_id,
    receipt_email AS email,
    json_extract_string(payment_method_details, '$.type') AS method,
    status,
    -- Amounts come in cents.
    TRY_CAST(amount AS DECIMAL(18, 4)) / 100 AS amount,
    TRY_CAST(json_extract_string(balance_transaction, '$.fee') AS DECIMAL(18, 4)) / 100 AS fee,
    currency,
    -- Seconds since 1970.
    to_timestamp(TRY_CAST(created AS BIGINT)) AS paid_at
FROM raw.charges
