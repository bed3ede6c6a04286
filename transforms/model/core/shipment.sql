-- One row per parcel sent.
WITH dated AS (
    SELECT
        shipment.*,
        CAST(shipment.shipped_at AT TIME ZONE night.timezone AS DATE) AS shipped_date,
        CAST(shipment.delivered_at AT TIME ZONE night.timezone AS DATE) AS delivered_date,
        night.base_currency,
        night.as_of
    FROM clean.shipment AS shipment
    CROSS JOIN meta.night AS night
    WHERE NOT shipment.is_deleted
),
linked AS (
    SELECT
        shipment.*,
        coalesce(by_id.order_id, by_number.order_id) AS linked_order_id,
        coalesce(by_id.customer_id, by_number.customer_id) AS customer_id
    FROM dated AS shipment
    LEFT JOIN identity.sales_order AS by_id
        ON by_id.source = shipment.source AND by_id.source_id = shipment.order_id
    LEFT JOIN identity.order_reference AS by_number
        ON by_number.source = shipment.source AND by_number.order_number = shipment.order_number
)
SELECT
    linked.source || ':' || linked.source_id AS shipment_id,
    linked.source,
    linked.source_id,
    linked.linked_order_id AS order_id,
    linked.customer_id,
    linked.carrier,
    linked.tracking_number,
    linked.status,
    linked.cost,
    linked.currency,
    CASE
        WHEN linked.currency = linked.base_currency THEN linked.cost
        ELSE CAST(linked.cost * fx.rate AS DECIMAL(18, 4))
    END AS cost_base,
    linked.shipped_at,
    linked.shipped_date,
    linked.delivered_at,
    linked.delivered_date,
    linked.promised_date,
    linked.delivered_date - linked.shipped_date AS transit_days,
    -- Not yet delivered counts as late once the promised day is over.
    coalesce(linked.delivered_date, linked.as_of) > linked.promised_date AS is_late
FROM linked
LEFT JOIN core.fx_rate AS fx ON fx.currency = linked.currency AND fx.date = linked.shipped_date
