-- One row per article.
SELECT
    artikelnr AS source_id,
    sku,
    bezeichnung AS name,
    warengruppe AS category,
    vk_brutto AS price,
    ek_netto AS cost,
    wahrung AS currency,
    ean AS barcode,
    gewicht_g AS weight_grams,
    aktiv AS is_active
FROM raw.artikel
