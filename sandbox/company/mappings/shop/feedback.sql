-- One row per product review.
SELECT
    review_id AS source_id,
    customer_id AS contact_id,
    order_id,
    product_id,
    'review' AS kind,
    stars AS rating,
    5 AS rating_max,
    text AS comment,
    submitted_at
FROM raw.reviews
