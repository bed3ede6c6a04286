-- One row per sales opportunity.
WITH dated AS (
    SELECT
        deal.*,
        CAST(deal.created_at AT TIME ZONE night.timezone AS DATE) AS created_date,
        CAST(deal.closed_at AT TIME ZONE night.timezone AS DATE) AS closed_date,
        night.base_currency,
        night.as_of
    FROM clean.deal AS deal
    CROSS JOIN meta.night AS night
    WHERE NOT deal.is_deleted
),
moved AS (
    SELECT source, deal_id, max(entered_at) AS last_moved_at, count(*) AS stage_changes
    FROM clean.deal_stage_event
    WHERE NOT is_deleted
    GROUP BY source, deal_id
),
linked AS (
    SELECT
        deal.*,
        coalesce(by_contact.customer_id, sold.customer_id) AS customer_id,
        account.account_id,
        staff.staff_id,
        to_order.to_id AS order_id,
        coalesce(moved.last_moved_at, deal.created_at) AS last_moved_at,
        coalesce(moved.stage_changes, 0) AS stage_changes
    FROM dated AS deal
    LEFT JOIN moved ON moved.source = deal.source AND moved.deal_id = deal.source_id
    LEFT JOIN core.money_link AS to_order
        ON to_order.from_type = 'deal' AND to_order.to_type = 'order'
        AND to_order.from_id = deal.source || ':' || deal.source_id
    LEFT JOIN identity.sales_order AS sold ON sold.order_id = to_order.to_id
    LEFT JOIN identity.assignment AS by_contact
        ON by_contact.record_id = 'contact:' || deal.source || ':' || deal.contact_id
    LEFT JOIN identity.account AS account ON account.source = deal.source AND account.source_id = deal.company_id
    LEFT JOIN identity.staff AS staff ON staff.source = deal.source AND staff.source_id = deal.owner_id
)
SELECT
    linked.source || ':' || linked.source_id AS deal_id,
    linked.source,
    linked.source_id,
    linked.title,
    linked.customer_id,
    linked.account_id,
    linked.staff_id AS owner_id,
    linked.order_id,
    linked.pipeline,
    linked.stage,
    linked.status,
    linked.amount,
    linked.currency,
    CASE
        WHEN linked.currency = linked.base_currency THEN linked.amount
        ELSE CAST(linked.amount * fx.rate AS DECIMAL(18, 4))
    END AS amount_base,
    linked.probability_pct,
    linked.lead_source,
    linked.lost_reason,
    linked.created_at,
    linked.created_date,
    linked.expected_close_date,
    linked.closed_at,
    linked.closed_date,
    linked.closed_date - linked.created_date AS days_to_close,
    linked.last_moved_at,
    linked.stage_changes,
    linked.status = 'open' AND coalesce(linked.expected_close_date < linked.as_of, FALSE) AS is_overdue
FROM linked
LEFT JOIN core.fx_rate AS fx
    ON fx.currency = linked.currency AND fx.date = coalesce(linked.closed_date, linked.created_date)
