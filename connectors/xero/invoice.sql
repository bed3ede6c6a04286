-- One row per invoice or bill.
SELECT
    id AS source_id,
    -- Bills may come without a number.
    coalesce(nullif(payload->>'$.InvoiceNumber', ''), id) AS invoice_number,
    CASE WHEN (payload->>'$.Type') LIKE 'ACCPAY%' OR (payload->>'$.Type') LIKE 'AP%' THEN 'purchase' ELSE 'sales' END
        AS direction,
    CASE WHEN (payload->>'$.Type') LIKE 'ACCREC%' THEN payload->>'$.Contact.ContactID' END AS contact_id,
    payload->>'$.Contact.ContactID' AS company_id,
    CASE WHEN (payload->>'$.Type') LIKE 'ACCREC%' THEN payload->>'$.Reference' END AS order_number,
    CASE payload->>'$.Status'
        WHEN 'DRAFT' THEN 'draft'
        WHEN 'SUBMITTED' THEN 'draft'
        -- Xero does not say that an invoice is overdue; its due date does.
        WHEN 'AUTHORISED' THEN 'open'
        WHEN 'PAID' THEN 'paid'
        WHEN 'VOIDED' THEN 'void'
        WHEN 'DELETED' THEN 'void'
        ELSE payload->>'$.Status'
    END AS status,
    payload->>'$.SubTotal' AS subtotal,
    payload->>'$.TotalTax' AS tax,
    payload->>'$.Total' AS total,
    payload->>'$.CurrencyCode' AS currency,
    -- Times are written as /Date(1541176592690+0000)/; days are midnight in UTC.
    CAST(epoch_ms(TRY_CAST(regexp_extract(payload->>'$.Date', '-?[0-9]+') AS BIGINT)) AS DATE) AS issued_date,
    CAST(epoch_ms(TRY_CAST(regexp_extract(payload->>'$.DueDate', '-?[0-9]+') AS BIGINT)) AS DATE) AS due_date,
    epoch_ms(TRY_CAST(regexp_extract(payload->>'$.FullyPaidOnDate', '-?[0-9]+') AS BIGINT)) AT TIME ZONE 'UTC' AS paid_at
FROM raw.invoices
