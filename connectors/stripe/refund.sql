-- One row per refund that went back the way the money came.
-- Most currencies have a hundred minor units, some none and some a thousand: docs.stripe.com/currencies.
WITH minor AS (
    SELECT unnest(['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'])
        AS currency, 1 AS units
    UNION ALL
    SELECT unnest(['bhd', 'jod', 'kwd', 'omr', 'tnd']) AS currency, 1000 AS units
)
SELECT
    refund.id AS source_id,
    refund.payload->>'$.charge' AS payment_id,
    refund.payload->>'$.metadata.order_number' AS order_number,
    TRY_CAST(refund.payload->>'$.amount' AS DECIMAL(18, 4)) / coalesce(minor.units, 100) AS amount,
    refund.payload->>'$.currency' AS currency,
    -- Stripe knows three reasons; a shop's own ones stand in the metadata.
    coalesce(refund.payload->>'$.reason', refund.payload->>'$.metadata.reason') AS reason,
    to_timestamp(TRY_CAST(refund.payload->>'$.created' AS BIGINT)) AS refunded_at
FROM raw.refunds AS refund
LEFT JOIN minor ON minor.currency = (refund.payload->>'$.currency')
-- No money went back by these.
WHERE coalesce(refund.payload->>'$.status', '') NOT IN ('failed', 'canceled')
