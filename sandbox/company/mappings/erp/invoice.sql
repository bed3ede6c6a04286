-- One row per invoice to a business.
SELECT
    rechnungsnr AS source_id,
    rechnungsnr AS invoice_number,
    CASE art WHEN 'Ausgang' THEN 'sales' WHEN 'Eingang' THEN 'purchase' ELSE art END AS direction,
    auftrag AS order_number,
    CASE status WHEN 'bezahlt' THEN 'paid' WHEN 'offen' THEN 'open' WHEN 'überfällig' THEN 'overdue' ELSE status END
        AS status,
    netto AS subtotal,
    mw_st AS tax,
    brutto AS total,
    wahrung AS currency,
    rechnungsdatum AS issued_date,
    fallig AS due_date,
    bezahlt_am AS paid_at
FROM raw.rechnungen
