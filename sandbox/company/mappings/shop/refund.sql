-- One row per refund paid out as store credit.
SELECT
    refund->>'$.legacyResourceId' AS source_id,
    sold.id AS order_id,
    sold.payload->>'$.name' AS order_number,
    refund->>'$.totalRefundedSet.presentmentMoney.amount' AS amount,
    refund->>'$.totalRefundedSet.presentmentMoney.currencyCode' AS currency,
    refund->>'$.note' AS reason,
    refund->>'$.createdAt' AS refunded_at
FROM raw.orders AS sold, unnest(CAST(sold.payload->'$.refunds' AS JSON[])) AS each(refund)
-- All others went back through the payment provider, which is a source of its own; here they would count twice. The way
-- that a refund's money went is that of the transaction nearest to it.
WHERE (
    SELECT min_by(
        moved->>'$.gateway',
        abs(epoch(CAST(moved->>'$.createdAt' AS TIMESTAMPTZ)) - epoch(CAST(refund->>'$.processedAt' AS TIMESTAMPTZ)))
    )
    FROM unnest(CAST(sold.payload->'$.transactions' AS JSON[])) AS all_moved(moved)
    WHERE (moved->>'$.kind') = 'REFUND' AND (moved->>'$.status') = 'SUCCESS'
) = 'shopify_store_credit'
