-- One row per thing that the business sells, buys or stocks.
WITH ranked AS (
    SELECT
        known.product_id,
        known.source,
        known.sku,
        coalesce(product.name, line.product_name) AS name,
        product.category,
        product.brand,
        product.price,
        product.cost,
        product.currency,
        product.barcode,
        product.weight_grams,
        product.is_active,
        product.created_at,
        coalesce(product.source_updated_at, product.created_at) AS updated_at,
        coalesce(product.is_deleted, FALSE) AS is_deleted,
        product.source_id IS NULL AS is_implied,
        row_number() OVER (
            PARTITION BY known.product_id
            ORDER BY
                coalesce(product.is_deleted, FALSE),
                product.source_id IS NULL,
                coalesce(product.source_updated_at, product.created_at) DESC NULLS LAST,
                known.record_id
        ) AS choice
    FROM identity.product AS known
    LEFT JOIN clean.product AS product ON product.source = known.source AND product.source_id = known.source_id
    LEFT JOIN (
        SELECT source, sku, min(product_name) AS product_name
        FROM clean.order_line
        WHERE NOT is_deleted AND sku IS NOT NULL
        GROUP BY source, sku
    ) AS line ON line.source = known.source AND line.sku = known.sku
),
-- Products deleted at the source stay, inactive: old order lines still point to them.
survivor AS (
    SELECT
        product_id,
        min(sku) AS sku,
        min_by(name, CASE WHEN name IS NOT NULL THEN choice END) AS name,
        min_by(category, CASE WHEN category IS NOT NULL THEN choice END) AS category,
        min_by(brand, CASE WHEN brand IS NOT NULL THEN choice END) AS brand,
        min(CASE WHEN price IS NOT NULL THEN choice END) AS price_choice,
        min(CASE WHEN cost IS NOT NULL THEN choice END) AS cost_choice,
        min_by(barcode, CASE WHEN barcode IS NOT NULL THEN choice END) AS barcode,
        min_by(weight_grams, CASE WHEN weight_grams IS NOT NULL THEN choice END) AS weight_grams,
        coalesce(min_by(is_active, CASE WHEN is_active IS NOT NULL THEN choice END), TRUE)
            AND NOT bool_and(is_deleted) AS is_active,
        min(created_at) AS created_at,
        max(updated_at) AS updated_at,
        string_agg(DISTINCT source, ', ' ORDER BY source) AS sources,
        count(*) AS records,
        bool_and(is_implied) AS is_implied
    FROM ranked
    GROUP BY product_id
),
ordered AS (
    SELECT coalesce(by_id.product_id, named.product_id) AS product_id, min(sales_order.ordered_at) AS first_ordered_at
    FROM clean.order_line AS line
    INNER JOIN clean.sales_order AS sales_order
        ON sales_order.source = line.source AND sales_order.source_id = line.order_id
    LEFT JOIN identity.product AS by_id ON by_id.source = line.source AND by_id.source_id = line.product_id
    LEFT JOIN identity.product AS named
        ON named.source = line.source AND named.sku = line.sku AND named.source_id IS NULL
    WHERE NOT line.is_deleted AND NOT sales_order.is_deleted
    GROUP BY coalesce(by_id.product_id, named.product_id)
)
SELECT
    survivor.product_id,
    survivor.sku,
    survivor.name,
    survivor.category,
    survivor.brand,
    price.price,
    price.currency AS price_currency,
    CASE
        WHEN price.currency = night.base_currency THEN price.price
        ELSE CAST(price.price * price_fx.rate AS DECIMAL(18, 4))
    END AS price_base,
    cost.cost,
    cost.currency AS cost_currency,
    CASE
        WHEN cost.currency = night.base_currency THEN cost.cost
        ELSE CAST(cost.cost * cost_fx.rate AS DECIMAL(18, 4))
    END AS cost_base,
    survivor.barcode,
    survivor.weight_grams,
    survivor.is_active,
    survivor.created_at,
    least(survivor.created_at, ordered.first_ordered_at) AS first_seen_at,
    survivor.updated_at,
    survivor.sources,
    survivor.records,
    survivor.is_implied
FROM survivor
CROSS JOIN meta.night AS night
LEFT JOIN ordered ON ordered.product_id = survivor.product_id
LEFT JOIN ranked AS price ON price.product_id = survivor.product_id AND price.choice = survivor.price_choice
LEFT JOIN ranked AS cost ON cost.product_id = survivor.product_id AND cost.choice = survivor.cost_choice
LEFT JOIN core.fx_rate AS price_fx ON price_fx.currency = price.currency AND price_fx.date = night.as_of
LEFT JOIN core.fx_rate AS cost_fx ON cost_fx.currency = cost.currency AND cost_fx.date = night.as_of
