-- One row per delivery to a business; parcels to consumers are in the shop's export.
SELECT
    lieferschein AS source_id,
    auftrag AS order_number,
    spediteur AS carrier,
    sendungsnr AS tracking_number,
    CASE status WHEN 'zugestellt' THEN 'delivered' WHEN 'unterwegs' THEN 'in_transit' ELSE status END AS status,
    frachtkosten AS cost,
    wahrung AS currency,
    versandt AS shipped_at,
    zugestellt AS delivered_at
FROM raw.lieferungen
