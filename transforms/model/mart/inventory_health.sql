-- One row per stocked product: what is there now, how fast it sells, how long it lasts.
WITH counted AS (
    SELECT
        inventory.*,
        -- Every place has its own latest count.
        row_number() OVER (
            PARTITION BY inventory.product_id, inventory.source, inventory.location
            ORDER BY inventory.date DESC, inventory.inventory_id
        ) AS recency
    FROM core.inventory AS inventory
    CROSS JOIN meta.night AS night
    WHERE inventory.product_id IS NOT NULL AND inventory.date <= night.as_of
),
stock AS (
    SELECT
        product_id,
        max(date) AS counted_date,
        count(*) AS locations,
        sum(on_hand) AS on_hand,
        sum(coalesce(reserved, 0)) AS reserved,
        sum(coalesce(incoming, 0)) AS incoming,
        sum(available) AS available,
        sum(reorder_point) AS reorder_point
    FROM counted
    WHERE recency = 1
    GROUP BY product_id
),
-- Days on which all places together had nothing.
empty_day AS (
    SELECT product_id, date
    FROM counted
    GROUP BY product_id, date
    HAVING sum(on_hand) <= 0
),
empty AS (
    SELECT
        empty_day.product_id,
        sum(CASE WHEN empty_day.date > night.as_of - 90 THEN 1 ELSE 0 END) AS stockout_days_90_days,
        max(empty_day.date) AS last_stockout_date
    FROM empty_day
    CROSS JOIN meta.night AS night
    GROUP BY empty_day.product_id
),
sold AS (
    SELECT
        line.product_id,
        sum(CASE WHEN line.ordered_date > night.as_of - 30 THEN line.quantity ELSE 0 END) AS units_sold_30_days,
        sum(CASE WHEN line.ordered_date > night.as_of - 90 THEN line.quantity ELSE 0 END) AS units_sold_90_days,
        max(line.ordered_date) AS last_sold_date
    FROM core.order_line AS line
    CROSS JOIN meta.night AS night
    WHERE line.is_counted AND line.ordered_date <= night.as_of AND line.product_id IS NOT NULL
    GROUP BY line.product_id
)
SELECT
    stock.product_id,
    product.sku,
    product.name AS product_name,
    product.category,
    stock.counted_date,
    stock.locations,
    stock.on_hand,
    stock.reserved,
    stock.incoming,
    stock.available,
    stock.reorder_point,
    coalesce(sold.units_sold_30_days, 0) AS units_sold_30_days,
    coalesce(sold.units_sold_90_days, 0) AS units_sold_90_days,
    sold.last_sold_date,
    CAST(coalesce(sold.units_sold_90_days, 0) AS DOUBLE) / 90 AS units_per_day,
    CASE
        WHEN sold.units_sold_90_days > 0
            THEN CAST(greatest(stock.available, 0) AS DOUBLE) * 90 / CAST(sold.units_sold_90_days AS DOUBLE)
    END AS days_of_cover,
    stock.on_hand * product.cost_base AS stock_value_base,
    stock.on_hand <= 0 AS is_stocked_out,
    coalesce(stock.available + stock.incoming <= stock.reorder_point, FALSE) AS is_below_reorder_point,
    stock.on_hand > 0 AND coalesce(sold.units_sold_90_days, 0) = 0 AS is_dead_stock,
    coalesce(empty.stockout_days_90_days, 0) AS stockout_days_90_days,
    empty.last_stockout_date
FROM stock
LEFT JOIN core.product AS product ON product.product_id = stock.product_id
LEFT JOIN sold ON sold.product_id = stock.product_id
LEFT JOIN empty ON empty.product_id = stock.product_id
