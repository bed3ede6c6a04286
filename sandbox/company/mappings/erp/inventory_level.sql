-- One row per article, warehouse and day.
SELECT
    -- Text files have German dates, workbooks ISO ones; the id must not depend on that.
    concat_ws(':', artikelnr, lager, coalesce(TRY_STRPTIME(stichtag, '%d.%m.%Y'), TRY_CAST(stichtag AS DATE))::DATE)
        AS source_id,
    artikelnr AS product_id,
    sku,
    lager AS location,
    stichtag AS date,
    bestand AS on_hand,
    reserviert AS reserved,
    zulauf AS incoming,
    meldebestand AS reorder_point
FROM raw.bestand
