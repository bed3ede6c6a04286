-- One row per parcel to a consumer.
SELECT
    fulfillment_id AS source_id,
    order_id,
    "order" AS order_number,
    tracking_company AS carrier,
    tracking_number,
    status,
    shipped_at,
    delivered_at,
    promised AS promised_date
FROM raw.fulfillments
