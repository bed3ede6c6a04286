-- One row per product line of an order.
WITH named AS (
    SELECT source, sku, product_id FROM identity.product WHERE source_id IS NULL
),
linked AS (
    SELECT
        line.*,
        sales_order.order_id AS linked_order_id,
        sales_order.customer_id,
        sales_order.ordered_date,
        sales_order.is_counted,
        sales_order.channel,
        coalesce(by_id.product_id, named.product_id) AS linked_product_id,
        coalesce(line.currency, sales_order.currency) AS linked_currency,
        night.base_currency
    FROM clean.order_line AS line
    -- Lines without their order are left out: nobody knows whose or when.
    INNER JOIN core.sales_order AS sales_order
        ON sales_order.source = line.source AND sales_order.source_id = line.order_id
    CROSS JOIN meta.night AS night
    LEFT JOIN identity.product AS by_id
        ON by_id.source = line.source AND by_id.source_id = line.product_id
    LEFT JOIN named ON named.source = line.source AND named.sku = line.sku
    WHERE NOT line.is_deleted
),
priced AS (
    SELECT
        linked.*,
        linked.linked_currency = linked.base_currency AS is_base,
        fx.rate
    FROM linked
    LEFT JOIN core.fx_rate AS fx ON fx.currency = linked.linked_currency AND fx.date = linked.ordered_date
)
SELECT
    priced.source || ':' || priced.source_id AS order_line_id,
    priced.source,
    priced.source_id,
    priced.linked_order_id AS order_id,
    priced.line_number,
    priced.linked_product_id AS product_id,
    priced.customer_id,
    priced.sku,
    coalesce(product.name, priced.product_name) AS product_name,
    product.category,
    priced.quantity,
    priced.unit_price,
    priced.discount,
    priced.shipping,
    priced.total,
    priced.linked_currency AS currency,
    CASE
        WHEN priced.is_base THEN priced.total
        ELSE CAST(priced.total * priced.rate AS DECIMAL(18, 4))
    END AS total_base,
    CASE
        WHEN priced.is_base THEN priced.shipping
        ELSE CAST(priced.shipping * priced.rate AS DECIMAL(18, 4))
    END AS shipping_base,
    product.cost_base * priced.quantity AS cost_base,
    priced.seller_id,
    priced.channel,
    priced.is_counted,
    priced.ordered_date
FROM priced
LEFT JOIN core.product AS product ON product.product_id = priced.linked_product_id
