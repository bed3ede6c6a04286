-- One row per review of an order. The same review may stand for several orders.
SELECT
    reviews.review_id || '-' || reviews.order_id AS source_id,
    orders.customer_id AS contact_id,
    reviews.order_id,
    reviews.order_id AS order_number,
    'review' AS kind,
    reviews.review_score AS rating,
    5 AS rating_max,
    reviews.review_comment_title AS title,
    reviews.review_comment_message AS comment,
    'pt' AS language,
    reviews.review_creation_date AS submitted_at,
    reviews.review_answer_timestamp AS answered_at
FROM raw.reviews AS reviews
LEFT JOIN raw.orders AS orders ON orders.order_id = reviews.order_id
