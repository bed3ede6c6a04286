-- One row per day, sales channel and country shipped to, where anything was ordered.
WITH units AS (
    SELECT order_id, sum(quantity) AS units, sum(cost_base) AS cost_base
    FROM core.order_line
    GROUP BY order_id
)
SELECT
    sales_order.ordered_date AS date,
    coalesce(sales_order.channel, '(unknown)') AS channel,
    coalesce(sales_order.ship_country, '(unknown)') AS country,
    sum(CASE WHEN sales_order.is_counted THEN 1 ELSE 0 END) AS orders,
    sum(CASE WHEN sales_order.is_counted THEN 0 ELSE 1 END) AS cancelled_orders,
    count(DISTINCT CASE WHEN sales_order.is_counted THEN sales_order.customer_id END) AS customers,
    sum(CASE WHEN sales_order.customer_order_number = 1 THEN 1 ELSE 0 END) AS new_customers,
    coalesce(sum(CASE WHEN sales_order.is_counted THEN units.units END), 0) AS units,
    coalesce(sum(sales_order.goods_base), 0) AS goods_base,
    coalesce(sum(CASE WHEN sales_order.is_counted THEN sales_order.discount_base END), 0) AS discount_base,
    coalesce(sum(sales_order.returns_base), 0) AS returns_base,
    coalesce(sum(sales_order.net_revenue_base), 0) AS net_revenue_base,
    coalesce(sum(CASE WHEN sales_order.is_counted THEN sales_order.shipping_base END), 0) AS shipping_base,
    coalesce(sum(CASE WHEN sales_order.is_counted THEN sales_order.tax_base END), 0) AS tax_base,
    coalesce(sum(CASE WHEN sales_order.is_counted THEN sales_order.total_base END), 0) AS total_base,
    sum(CASE WHEN sales_order.is_counted THEN units.cost_base END) AS cost_base,
    CAST(sum(sales_order.goods_base) AS DOUBLE)
        / nullif(sum(CASE WHEN sales_order.is_counted AND sales_order.goods_base IS NOT NULL THEN 1 ELSE 0 END), 0)
        AS average_order_value_base
FROM core.sales_order AS sales_order
LEFT JOIN units ON units.order_id = sales_order.order_id
GROUP BY 1, 2, 3
