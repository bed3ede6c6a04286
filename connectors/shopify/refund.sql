-- One row per refund of money. Where the payment provider is a source too, its refunds come twice: see the README.
SELECT
    refund->>'$.legacyResourceId' AS source_id,
    sold.id AS order_id,
    sold.payload->>'$.name' AS order_number,
    refund->>'$.totalRefundedSet.presentmentMoney.amount' AS amount,
    refund->>'$.totalRefundedSet.presentmentMoney.currencyCode' AS currency,
    refund->>'$.note' AS reason,
    refund->>'$.createdAt' AS refunded_at
FROM raw.orders AS sold, unnest(CAST(sold.payload->'$.refunds' AS JSON[])) AS each(refund)
WHERE (sold.payload->>'$.test') = 'false'
    -- Goods that only go back on the shelf are a refund of nothing.
    AND CAST(refund->>'$.totalRefundedSet.presentmentMoney.amount' AS DECIMAL(18, 4)) <> 0
