-- One row per article of a purchase order.
SELECT
    zeile AS source_id,
    bestellnr AS po_number,
    lieferant AS supplier,
    artikelnr AS product_id,
    sku,
    menge AS quantity,
    ek_netto AS unit_cost,
    waehrung AS currency,
    CASE status WHEN 'bestellt' THEN 'open' WHEN 'geliefert' THEN 'received' ELSE status END AS status,
    bestelldatum AS ordered_at,
    liefertermin AS expected_date,
    wareneingang AS received_at
FROM raw.bestellungen
