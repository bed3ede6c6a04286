-- One row per newsletter.
SELECT
    unique_id AS source_id,
    title AS name,
    'newsletter' AS platform,
    'email' AS channel,
    'ended' AS status,
    subject AS objective,
    -- 'Nov 07, 2024 10:00 am'
    CAST(TRY_STRPTIME(send_date, '%b %d, %Y %I:%M %p') AS DATE) AS started_date
FROM raw.campaigns
