-- One row per parcel.
SELECT
    parcel->>'$.legacyResourceId' AS source_id,
    sold.id AS order_id,
    sold.payload->>'$.name' AS order_number,
    parcel->>'$.trackingInfo[0].company' AS carrier,
    parcel->>'$.trackingInfo[0].number' AS tracking_number,
    lower(parcel->>'$.displayStatus') AS status,
    parcel->>'$.createdAt' AS shipped_at,
    parcel->>'$.deliveredAt' AS delivered_at,
    substr(parcel->>'$.estimatedDeliveryAt', 1, 10) AS promised_date
FROM raw.orders AS sold, unnest(CAST(sold.payload->'$.fulfillments' AS JSON[])) AS each(parcel)
WHERE (parcel->>'$.status') NOT IN ('CANCELLED', 'ERROR', 'FAILURE')
