-- One row per customer: who they are and everything known of their dealings with the business.
WITH orders AS (
    SELECT
        customer_id,
        sum(CASE WHEN is_counted THEN 1 ELSE 0 END) AS orders,
        sum(CASE WHEN is_counted THEN 0 ELSE 1 END) AS cancelled_orders,
        min(CASE WHEN is_counted THEN ordered_at END) AS first_order_at,
        max(CASE WHEN is_counted THEN ordered_at END) AS last_order_at,
        min(CASE WHEN is_counted THEN ordered_date END) AS first_order_date,
        max(CASE WHEN is_counted THEN ordered_date END) AS last_order_date,
        sum(CASE WHEN is_counted THEN total_base END) AS total_spent_base,
        sum(CASE WHEN is_counted THEN goods_base END) AS goods_base,
        sum(returns_base) AS returns_base,
        sum(net_revenue_base) AS net_revenue_base,
        min_by(channel, CASE WHEN is_counted AND channel IS NOT NULL THEN customer_order_number END) AS first_channel,
        max_by(channel, CASE WHEN is_counted AND channel IS NOT NULL THEN customer_order_number END) AS last_channel,
        min_by(campaign_id, CASE WHEN is_counted AND campaign_id IS NOT NULL THEN customer_order_number END)
            AS first_campaign_id
    FROM core.sales_order
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
lines AS (
    SELECT customer_id, sum(quantity) AS units, count(DISTINCT product_id) AS products
    FROM core.order_line
    WHERE customer_id IS NOT NULL AND is_counted
    GROUP BY customer_id
),
refunds AS (
    SELECT customer_id, count(*) AS refunds, sum(amount_base) AS refunded_base
    FROM core.refund
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
payments AS (
    SELECT
        customer_id,
        sum(CASE WHEN is_received THEN amount_base END) AS paid_base,
        sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed_payments
    FROM core.payment
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
deals AS (
    SELECT
        customer_id,
        sum(CASE WHEN status = 'open' THEN 1 ELSE 0 END) AS open_deals,
        sum(CASE WHEN status = 'open' THEN amount_base END) AS open_deal_amount_base,
        sum(CASE WHEN status = 'won' THEN 1 ELSE 0 END) AS won_deals,
        sum(CASE WHEN status = 'won' THEN amount_base END) AS won_deal_amount_base,
        sum(CASE WHEN status = 'lost' THEN 1 ELSE 0 END) AS lost_deals
    FROM core.deal
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
tickets AS (
    SELECT
        customer_id,
        count(*) AS tickets,
        sum(CASE WHEN is_open THEN 1 ELSE 0 END) AS open_tickets,
        max(created_at) AS last_ticket_at
    FROM core.ticket
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
rated AS (
    SELECT
        customer_id,
        rating_pct,
        submitted_at,
        row_number() OVER (
            PARTITION BY customer_id
            ORDER BY CASE WHEN rating_pct IS NULL THEN 1 ELSE 0 END, submitted_at DESC, feedback_id
        ) AS recency
    FROM core.feedback
    WHERE customer_id IS NOT NULL
),
feedback AS (
    SELECT
        customer_id,
        count(*) AS feedbacks,
        -- Summed as exact numbers, so that the order of the rows cannot change the last digit.
        CAST(sum(CAST(rating_pct AS DECIMAL(18, 6))) AS DOUBLE) / nullif(count(rating_pct), 0) AS average_rating_pct,
        max(CASE WHEN recency = 1 THEN rating_pct END) AS last_rating_pct
    FROM rated
    GROUP BY customer_id
),
touches AS (
    SELECT
        customer_id,
        count(*) AS touches,
        sum(CASE WHEN kind IN ('click', 'visit', 'form', 'submit') THEN 1 ELSE 0 END) AS responses,
        max(occurred_at) AS last_touch_at,
        max(CASE WHEN kind = 'unsubscribe' THEN occurred_at END) AS last_unsubscribe_at
    FROM core.touch
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
consent AS (
    SELECT
        customer_id,
        bool_and(CASE WHEN channel = 'email' THEN is_granted END) AS may_email,
        bool_and(CASE WHEN channel = 'phone' THEN is_granted END) AS may_phone,
        bool_and(CASE WHEN channel = 'sms' THEN is_granted END) AS may_sms,
        bool_and(CASE WHEN channel = 'post' THEN is_granted END) AS may_post,
        bool_and(CASE WHEN channel = 'tracking' THEN is_granted END) AS may_track
    FROM core.consent
    WHERE is_current
    GROUP BY customer_id
),
subscriptions AS (
    SELECT
        customer_id,
        sum(CASE WHEN is_active THEN 1 ELSE 0 END) AS active_subscriptions,
        sum(CASE WHEN is_active THEN mrr_base END) AS mrr_base
    FROM core.subscription
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
)
SELECT
    customer.customer_id,
    customer.full_name,
    customer.given_name,
    customer.family_name,
    customer.email,
    customer.phone,
    customer.city,
    customer.region,
    customer.postcode,
    customer.country,
    customer.account_id,
    coalesce(account.name, customer.company_name) AS account_name,
    customer.owner_id,
    customer.lifecycle_stage,
    customer.lead_source,
    customer.sources,
    customer.records,
    customer.created_at,
    CASE
        WHEN customer.is_deleted AND coalesce(orders.orders, 0) = 0 THEN 'deleted'
        WHEN coalesce(orders.orders, 0) = 0 AND coalesce(deals.open_deals, 0) > 0 THEN 'lead'
        WHEN coalesce(orders.orders, 0) = 0 THEN 'prospect'
        WHEN night.as_of - orders.last_order_date > 365 THEN 'lost'
        WHEN night.as_of - orders.last_order_date > 180 THEN 'lapsing'
        WHEN night.as_of - orders.first_order_date <= 90 THEN 'new'
        ELSE 'active'
    END AS customer_state,
    coalesce(orders.orders, 0) AS orders,
    coalesce(orders.cancelled_orders, 0) AS cancelled_orders,
    coalesce(lines.units, 0) AS units,
    coalesce(lines.products, 0) AS products,
    orders.first_order_at,
    orders.last_order_at,
    orders.first_order_date,
    orders.last_order_date,
    night.as_of - orders.last_order_date AS days_since_last_order,
    CASE
        WHEN orders.orders > 1
            THEN CAST(orders.last_order_date - orders.first_order_date AS DOUBLE) / (orders.orders - 1)
    END AS average_days_between_orders,
    coalesce(orders.total_spent_base, 0) AS total_spent_base,
    coalesce(orders.returns_base, 0) AS returns_base,
    coalesce(orders.net_revenue_base, 0) AS net_revenue_base,
    CAST(orders.goods_base AS DOUBLE) / nullif(orders.orders, 0) AS average_order_value_base,
    coalesce(payments.paid_base, 0) AS paid_base,
    coalesce(payments.failed_payments, 0) AS failed_payments,
    coalesce(refunds.refunds, 0) AS refunds,
    coalesce(refunds.refunded_base, 0) AS refunded_base,
    orders.first_channel,
    orders.last_channel,
    orders.first_campaign_id,
    coalesce(subscriptions.active_subscriptions, 0) AS active_subscriptions,
    coalesce(subscriptions.mrr_base, 0) AS mrr_base,
    coalesce(deals.open_deals, 0) AS open_deals,
    coalesce(deals.open_deal_amount_base, 0) AS open_deal_amount_base,
    coalesce(deals.won_deals, 0) AS won_deals,
    coalesce(deals.won_deal_amount_base, 0) AS won_deal_amount_base,
    coalesce(deals.lost_deals, 0) AS lost_deals,
    coalesce(tickets.tickets, 0) AS tickets,
    coalesce(tickets.open_tickets, 0) AS open_tickets,
    tickets.last_ticket_at,
    coalesce(feedback.feedbacks, 0) AS feedbacks,
    feedback.average_rating_pct,
    feedback.last_rating_pct,
    coalesce(touches.touches, 0) AS touches,
    coalesce(touches.responses, 0) AS responses,
    touches.last_touch_at,
    touches.last_unsubscribe_at,
    customer.is_subscribed,
    consent.may_email,
    consent.may_phone,
    consent.may_sms,
    consent.may_post,
    consent.may_track,
    customer.is_deleted
FROM core.customer AS customer
CROSS JOIN meta.night AS night
LEFT JOIN core.account AS account ON account.account_id = customer.account_id
LEFT JOIN orders ON orders.customer_id = customer.customer_id
LEFT JOIN lines ON lines.customer_id = customer.customer_id
LEFT JOIN refunds ON refunds.customer_id = customer.customer_id
LEFT JOIN payments ON payments.customer_id = customer.customer_id
LEFT JOIN deals ON deals.customer_id = customer.customer_id
LEFT JOIN tickets ON tickets.customer_id = customer.customer_id
LEFT JOIN feedback ON feedback.customer_id = customer.customer_id
LEFT JOIN touches ON touches.customer_id = customer.customer_id
LEFT JOIN consent ON consent.customer_id = customer.customer_id
LEFT JOIN subscriptions ON subscriptions.customer_id = customer.customer_id
