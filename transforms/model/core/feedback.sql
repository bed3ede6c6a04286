-- One row per review, rating or survey answer.
WITH dated AS (
    SELECT
        feedback.*,
        CAST(feedback.submitted_at AT TIME ZONE night.timezone AS DATE) AS submitted_date
    FROM clean.feedback AS feedback
    CROSS JOIN meta.night AS night
    WHERE NOT feedback.is_deleted
)
SELECT
    feedback.source || ':' || feedback.source_id AS feedback_id,
    feedback.source,
    feedback.source_id,
    coalesce(by_contact.customer_id, by_email.customer_id, by_id.customer_id, by_number.customer_id) AS customer_id,
    coalesce(by_id.order_id, by_number.order_id) AS order_id,
    product.product_id,
    feedback.kind,
    feedback.rating,
    feedback.rating_max,
    CASE
        WHEN feedback.rating_max > 0 THEN CAST(feedback.rating AS DOUBLE) / CAST(feedback.rating_max AS DOUBLE) * 100
    END AS rating_pct,
    feedback.title,
    feedback.comment,
    feedback.language,
    feedback.submitted_at,
    feedback.submitted_date,
    feedback.answered_at,
    CASE
        WHEN feedback.answered_at >= feedback.submitted_at
            THEN date_diff('second', feedback.submitted_at, feedback.answered_at) / 3600.0e0
    END AS answer_hours
FROM dated AS feedback
LEFT JOIN identity.sales_order AS by_id ON by_id.source = feedback.source AND by_id.source_id = feedback.order_id
LEFT JOIN identity.order_reference AS by_number
    ON by_number.source = feedback.source AND by_number.order_number = feedback.order_number
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || feedback.source || ':' || feedback.contact_id
LEFT JOIN identity.assignment AS by_email
    ON by_email.record_id = 'email:' || feedback.source || ':' || feedback.email
LEFT JOIN identity.product AS product
    ON product.source = feedback.source AND product.source_id = feedback.product_id
