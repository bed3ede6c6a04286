-- One row per payment of a customer; what the business pays for bills is none.
SELECT
    id AS source_id,
    payload->>'$.Invoice.InvoiceID' AS invoice_id,
    payload->>'$.Invoice.Contact.ContactID' AS contact_id,
    'succeeded' AS status,
    payload->>'$.Amount' AS amount,
    payload->>'$.Invoice.CurrencyCode' AS currency,
    epoch_ms(TRY_CAST(regexp_extract(payload->>'$.Date', '-?[0-9]+') AS BIGINT)) AT TIME ZONE 'UTC' AS paid_at
FROM raw.payments
WHERE (payload->>'$.PaymentType') = 'ACCRECPAYMENT'
