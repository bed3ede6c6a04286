-- One row per product review.
SELECT
    review_id AS source_id,
    -- The platform knows the number on the parcel; the model finds the order, and so the buyer, by it.
    "order" AS order_number,
    'review' AS kind,
    stars AS rating,
    5 AS rating_max,
    text AS comment,
    submitted_at
FROM raw.reviews
