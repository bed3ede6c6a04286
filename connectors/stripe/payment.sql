-- One row per attempt to pay.
-- Most currencies have a hundred minor units, some none and some a thousand: docs.stripe.com/currencies.
WITH minor AS (
    SELECT unnest(['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'])
        AS currency, 1 AS units
    UNION ALL
    SELECT unnest(['bhd', 'jod', 'kwd', 'omr', 'tnd']) AS currency, 1000 AS units
)
SELECT
    charge.id AS source_id,
    -- Stripe does not know the shop's orders; shops write the number into the metadata.
    charge.payload->>'$.metadata.order_number' AS order_number,
    charge.payload->>'$.invoice' AS invoice_id,
    charge.payload->>'$.customer' AS contact_id,
    coalesce(charge.payload->>'$.receipt_email', charge.payload->>'$.billing_details.email') AS email,
    charge.payload->>'$.payment_method_details.type' AS method,
    CASE
        WHEN (charge.payload->>'$.disputed') = 'true' THEN 'disputed'
        -- Reserved on the card and not taken yet.
        WHEN (charge.payload->>'$.captured') = 'false' AND (charge.payload->>'$.status') = 'succeeded' THEN 'pending'
        ELSE charge.payload->>'$.status'
    END AS status,
    TRY_CAST(
        CASE
            WHEN (charge.payload->>'$.captured') = 'true'
                THEN coalesce(charge.payload->>'$.amount_captured', charge.payload->>'$.amount')
            ELSE charge.payload->>'$.amount'
        END AS DECIMAL(18, 4)
    ) / coalesce(minor.units, 100) AS amount,
    -- The balance may be in another currency than the charge; its fee is not the charge's then.
    CASE
        WHEN (move.payload->>'$.currency') = (charge.payload->>'$.currency')
            THEN TRY_CAST(move.payload->>'$.fee' AS DECIMAL(18, 4)) / coalesce(minor.units, 100)
    END AS fee,
    charge.payload->>'$.currency' AS currency,
    to_timestamp(TRY_CAST(charge.payload->>'$.created' AS BIGINT)) AS paid_at
FROM raw.charges AS charge
LEFT JOIN raw.balance_transactions AS move ON move.id = (charge.payload->>'$.balance_transaction')
LEFT JOIN minor ON minor.currency = (charge.payload->>'$.currency')
