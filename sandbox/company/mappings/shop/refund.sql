-- One row per refund paid out as store credit.
SELECT
    id AS source_id,
    order_id,
    order_name AS order_number,
    json_extract_string(transaction, '$.amount') AS amount,
    json_extract_string(transaction, '$.currency') AS currency,
    note AS reason,
    created_at AS refunded_at
FROM raw.refunds
-- All others went back through the payment provider, whose export has them; here they would count twice.
WHERE gateway = 'store_credit'
