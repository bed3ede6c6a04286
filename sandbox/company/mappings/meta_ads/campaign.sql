-- One row per campaign.
SELECT
    kampagnen_id AS source_id,
    kampagnenname AS name,
    'meta_ads' AS platform,
    'paid social' AS channel,
    CASE status WHEN 'Aktiv' THEN 'active' WHEN 'Abgeschlossen' THEN 'ended' ELSE status END AS status,
    ziel AS objective,
    tagesbudget AS budget,
    'EUR' AS currency,
    start AS started_date,
    ende AS ended_date
FROM raw.kampagnen
