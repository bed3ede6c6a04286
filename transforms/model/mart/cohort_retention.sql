-- One row per month of first order and month since then, quiet months included.
WITH ordered AS (
    SELECT
        sales_order.customer_id,
        CAST(date_trunc('MONTH', sales_order.ordered_date) AS DATE) AS month_date,
        sales_order.net_revenue_base
    FROM core.sales_order AS sales_order
    CROSS JOIN meta.night AS night
    WHERE sales_order.is_counted AND sales_order.customer_id IS NOT NULL AND sales_order.ordered_date <= night.as_of
),
monthly AS (
    SELECT customer_id, month_date, count(*) AS orders, sum(net_revenue_base) AS net_revenue_base
    FROM ordered
    GROUP BY customer_id, month_date
),
joined AS (
    SELECT
        monthly.*,
        min(month_date) OVER (PARTITION BY customer_id) AS cohort_date
    FROM monthly
),
cohort AS (
    SELECT cohort_date, count(DISTINCT customer_id) AS customers
    FROM joined
    GROUP BY cohort_date
),
month AS (
    SELECT DISTINCT calendar.month_date
    FROM core.calendar AS calendar
    CROSS JOIN meta.night AS night
    WHERE calendar.date <= night.as_of
    UNION
    -- The calendar stops at twenty years; a customer may be older.
    SELECT DISTINCT month_date FROM monthly
),
active AS (
    SELECT
        cohort_date,
        month_date,
        count(*) AS active_customers,
        sum(orders) AS orders,
        sum(net_revenue_base) AS net_revenue_base
    FROM joined
    GROUP BY cohort_date, month_date
)
SELECT
    cohort.cohort_date,
    (extract(YEAR FROM month.month_date) - extract(YEAR FROM cohort.cohort_date)) * 12
        + extract(MONTH FROM month.month_date) - extract(MONTH FROM cohort.cohort_date) AS months_since,
    month.month_date,
    cohort.customers,
    coalesce(active.active_customers, 0) AS active_customers,
    coalesce(active.orders, 0) AS orders,
    coalesce(active.net_revenue_base, 0) AS net_revenue_base,
    CAST(coalesce(active.active_customers, 0) AS DOUBLE) / cohort.customers AS retention
FROM cohort
INNER JOIN month ON month.month_date >= cohort.cohort_date
LEFT JOIN active ON active.cohort_date = cohort.cohort_date AND active.month_date = month.month_date
