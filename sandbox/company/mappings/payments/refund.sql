-- One row per refund that went back the way the money came.
SELECT
    id AS source_id,
    charge_id AS payment_id,
    order_number_metadata AS order_number,
    TRY_CAST(amount_in_minor_units AS DECIMAL(18, 4)) / 100 AS amount,
    currency,
    reason,
    to_timestamp(TRY_CAST(created AS BIGINT)) AS refunded_at
FROM raw.refunds
