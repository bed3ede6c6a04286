-- One row per currency and day: how much of it one EUR buys.
SELECT
    base || '-' || quote || '-' || date AS source_id,
    base AS base_currency,
    quote AS quote_currency,
    date,
    rate
FROM raw.fx_rates
