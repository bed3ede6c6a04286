-- One row per ad and day.
SELECT
    concat_ws(':', anzeigen_id, tag) AS source_id,
    kampagnen_id AS campaign_id,
    kampagnenname AS campaign_name,
    anzeigengruppenname AS ad_group,
    anzeigen_id AS ad_id,
    'meta_ads' AS platform,
    tag AS date,
    impressionen AS impressions,
    link_klicks AS clicks,
    -- The header says it: the amounts are in EUR.
    ausgegebener_betrag_eur AS spend,
    'EUR' AS currency,
    kaufe AS conversions,
    conversion_wert AS conversion_value
FROM raw.anzeigen
