-- One row per deal.
SELECT
    record_id AS source_id,
    deal_name AS title,
    associated_contact_id AS contact_id,
    associated_company_id AS company_id,
    deal_owner AS owner_id,
    pipeline,
    deal_stage AS stage,
    CASE
        WHEN is_closed_won = 'true' THEN 'won'
        WHEN is_closed_lost = 'true' THEN 'lost'
        ELSE 'open'
    END AS status,
    amount,
    currency,
    deal_probability AS probability_pct,
    closed_lost_reason AS lost_reason,
    order_number,
    create_date AS created_at,
    expected_close_date,
    close_date AS closed_at
FROM raw.deals
