-- One row per refund. Where the payment provider is a source too, its refunds come twice: see the README.
SELECT
    refund.id AS source_id,
    refund.payload->>'$.parent_id' AS order_id,
    sold.payload->>'$.number' AS order_number,
    refund.payload->>'$.amount' AS amount,
    sold.payload->>'$.currency' AS currency,
    refund.payload->>'$.reason' AS reason,
    (refund.payload->>'$.date_created_gmt') || 'Z' AS refunded_at
FROM raw.refunds AS refund
LEFT JOIN raw.orders AS sold ON sold.id = (refund.payload->>'$.parent_id')
