-- One row per two documents about the same money: a deal, invoice, payment or refund, and what it belongs to.
WITH document AS (
    SELECT
        document.kind,
        document.document_id,
        document.source,
        document.is_live,
        document.customer_id,
        coalesce(document.account_id, customer.account_id) AS account_id,
        document.currency,
        document.amount,
        document.day,
        document.order_id,
        document.order_linked_by,
        document.invoice_id,
        document.invoice_linked_by,
        document.payment_id
    FROM identity.money_document AS document
    LEFT JOIN core.customer AS customer ON customer.customer_id = document.customer_id
),
sold AS (
    SELECT * FROM document WHERE kind = 'order'
),
-- Days before and after its own in which the order of a document that names none is looked for.
span AS (
    SELECT * FROM (VALUES ('deal', 0, 30), ('invoice', 30, 1), ('payment', 60, 1)) AS listed (kind, before, after)
),
loose AS (
    SELECT document.*, document.day - span.before AS first_day, document.day + span.after AS last_day
    FROM document
    INNER JOIN span ON span.kind = document.kind
    WHERE document.is_live AND document.amount > 0 AND document.order_id IS NULL AND document.invoice_id IS NULL
),
-- Orders that no document of the kind names.
free AS (
    SELECT span.kind, sold.document_id AS order_id, sold.customer_id, sold.account_id, sold.currency, sold.amount, sold.day
    FROM sold
    CROSS JOIN span
    LEFT JOIN (
        SELECT DISTINCT kind, order_id FROM document WHERE is_live AND order_id IS NOT NULL
    ) AS named ON named.kind = span.kind AND named.order_id = sold.document_id
    WHERE sold.is_live AND named.order_id IS NULL
),
-- What the customer's subscription costs in the same source is for the subscription, and for no order.
recurring AS (
    SELECT DISTINCT loose.kind, loose.document_id
    FROM loose
    INNER JOIN core.subscription AS subscription
        ON subscription.source = loose.source
        AND subscription.customer_id = loose.customer_id
        AND subscription.currency = loose.currency
        AND subscription.amount = loose.amount
),
single AS (
    SELECT loose.*
    FROM loose
    LEFT JOIN recurring ON recurring.kind = loose.kind AND recurring.document_id = loose.document_id
    WHERE recurring.document_id IS NULL
),
agreeing AS (
    SELECT single.kind, single.document_id, free.order_id
    FROM single
    INNER JOIN free
        ON free.kind = single.kind
        AND free.customer_id = single.customer_id
        AND free.currency = single.currency
        AND free.amount = single.amount
        AND free.day BETWEEN single.first_day AND single.last_day
    UNION
    SELECT single.kind, single.document_id, free.order_id
    FROM single
    INNER JOIN free
        ON free.kind = single.kind
        AND free.account_id = single.account_id
        AND free.currency = single.currency
        AND free.amount = single.amount
        AND free.day BETWEEN single.first_day AND single.last_day
),
-- Only where neither side has another candidate.
recognised AS (
    SELECT kind, document_id, order_id
    FROM (
        SELECT
            agreeing.*,
            count(*) OVER (PARTITION BY kind, document_id) AS orders,
            count(*) OVER (PARTITION BY kind, order_id) AS documents
        FROM agreeing
    ) AS counted
    WHERE orders = 1 AND documents = 1
),
invoice_order AS (
    SELECT document_id, order_id, order_linked_by AS linked_by
    FROM document
    WHERE kind = 'invoice' AND order_id IS NOT NULL
    UNION ALL
    SELECT document_id, order_id, 'amount' FROM recognised WHERE kind = 'invoice'
),
named_payment AS (
    SELECT
        document.document_id,
        coalesce(document.order_id, invoice_order.order_id) AS order_id,
        coalesce(document.order_linked_by, 'invoice') AS linked_by
    FROM document
    LEFT JOIN invoice_order ON invoice_order.document_id = document.invoice_id
    WHERE document.kind = 'payment' AND coalesce(document.order_id, invoice_order.order_id) IS NOT NULL
),
payment_order AS (
    SELECT document_id, order_id, linked_by FROM named_payment
    UNION ALL
    SELECT recognised.document_id, recognised.order_id, 'amount'
    FROM recognised
    -- An invoice may have brought the order its payment in the meantime.
    LEFT JOIN (SELECT DISTINCT order_id FROM named_payment WHERE linked_by = 'invoice') AS paid
        ON paid.order_id = recognised.order_id
    WHERE recognised.kind = 'payment' AND paid.order_id IS NULL
),
-- Invoices of each order; one that two systems keep under one number is one.
billed AS (
    SELECT
        order_id,
        invoice_id,
        amount,
        count(*) OVER (PARTITION BY order_id) AS of_order,
        count(*) OVER (PARTITION BY order_id, amount) AS of_amount
    FROM (
        SELECT
            invoice_order.order_id,
            invoice.document_id AS invoice_id,
            invoice.amount,
            row_number() OVER (
                PARTITION BY invoice_order.order_id, coalesce(known.invoice_number, known.invoice_id)
                ORDER BY known.invoice_id
            ) AS copy
        FROM invoice_order
        INNER JOIN document AS invoice
            ON invoice.kind = 'invoice' AND invoice.document_id = invoice_order.document_id AND invoice.is_live
        INNER JOIN identity.invoice AS known ON known.invoice_id = invoice_order.document_id
    ) AS numbered
    WHERE copy = 1
),
-- Payments and invoices of one customer or company that name no order, nor each other.
lone_payment AS (
    SELECT loose.*
    FROM loose
    LEFT JOIN payment_order ON payment_order.document_id = loose.document_id
    WHERE loose.kind = 'payment' AND payment_order.document_id IS NULL
),
lone_invoice AS (
    SELECT loose.*
    FROM loose
    LEFT JOIN invoice_order ON invoice_order.document_id = loose.document_id
    LEFT JOIN (
        SELECT DISTINCT invoice_id FROM document WHERE is_live AND invoice_id IS NOT NULL
    ) AS paid ON paid.invoice_id = loose.document_id
    WHERE loose.kind = 'invoice' AND invoice_order.document_id IS NULL AND paid.invoice_id IS NULL
),
settling AS (
    SELECT payment.document_id, invoice.document_id AS invoice_id
    FROM lone_payment AS payment
    INNER JOIN lone_invoice AS invoice
        ON invoice.customer_id = payment.customer_id
        AND invoice.currency = payment.currency
        AND invoice.amount = payment.amount
        AND invoice.day BETWEEN payment.day - 90 AND payment.day + 1
    UNION
    SELECT payment.document_id, invoice.document_id
    FROM lone_payment AS payment
    INNER JOIN lone_invoice AS invoice
        ON invoice.account_id = payment.account_id
        AND invoice.currency = payment.currency
        AND invoice.amount = payment.amount
        AND invoice.day BETWEEN payment.day - 90 AND payment.day + 1
),
payment_invoice AS (
    SELECT document_id, invoice_id, invoice_linked_by AS linked_by
    FROM document
    WHERE kind = 'payment' AND invoice_id IS NOT NULL
    UNION ALL
    -- The order's only invoice, or the only one of that amount.
    SELECT payment.document_id, billed.invoice_id, 'order'
    FROM document AS payment
    INNER JOIN payment_order ON payment_order.document_id = payment.document_id
    INNER JOIN billed
        ON billed.order_id = payment_order.order_id
        AND (billed.of_order = 1 OR (billed.amount = payment.amount AND billed.of_amount = 1))
    WHERE payment.kind = 'payment' AND payment.invoice_id IS NULL
    UNION ALL
    SELECT document_id, invoice_id, 'amount'
    FROM (
        SELECT
            settling.*,
            count(*) OVER (PARTITION BY document_id) AS invoices,
            count(*) OVER (PARTITION BY invoice_id) AS payments
        FROM settling
    ) AS counted
    WHERE invoices = 1 AND payments = 1
),
-- A payment that two systems keep shows where an order is paid more than it costs.
taken AS (
    SELECT
        payment_order.order_id,
        payment.document_id,
        payment.amount,
        payment.day,
        sum(payment.amount) OVER (PARTITION BY payment_order.order_id) > sold.amount AS is_too_much,
        row_number() OVER (
            PARTITION BY payment_order.order_id, payment.amount, payment.source
            ORDER BY payment.day, payment.document_id
        ) AS turn,
        CASE payment_order.linked_by WHEN 'source_id' THEN 1 WHEN 'order_number' THEN 2 ELSE 3 END AS directness
    FROM payment_order
    INNER JOIN document AS payment
        ON payment.kind = 'payment' AND payment.document_id = payment_order.document_id AND payment.is_live
    INNER JOIN sold ON sold.document_id = payment_order.order_id AND sold.currency = payment.currency
),
seen AS (
    SELECT
        taken.*,
        row_number() OVER (PARTITION BY order_id, amount, turn ORDER BY directness, day, document_id) AS place
    FROM taken
    WHERE is_too_much
),
link AS (
    SELECT 'deal' AS from_type, document_id AS from_id, 'order' AS to_type, order_id AS to_id, order_linked_by AS linked_by
    FROM document
    WHERE kind = 'deal' AND order_id IS NOT NULL
    UNION ALL
    SELECT 'deal', document_id, 'order', order_id, 'amount' FROM recognised WHERE kind = 'deal'
    UNION ALL
    SELECT 'invoice', document_id, 'order', order_id, linked_by FROM invoice_order
    UNION ALL
    SELECT 'payment', document_id, 'order', order_id, linked_by FROM payment_order
    UNION ALL
    SELECT 'payment', document_id, 'invoice', invoice_id, linked_by FROM payment_invoice
    UNION ALL
    SELECT 'payment', later.document_id, 'payment', original.document_id, 'amount'
    FROM seen AS later
    INNER JOIN seen AS original
        ON original.order_id = later.order_id
        AND original.amount = later.amount
        AND original.turn = later.turn
        AND original.place = 1
    WHERE later.place > 1 AND later.day BETWEEN original.day - 10 AND original.day + 10
    UNION ALL
    SELECT 'refund', document_id, 'payment', payment_id, 'source_id'
    FROM document
    WHERE kind = 'refund' AND payment_id IS NOT NULL
    UNION ALL
    SELECT
        'refund',
        document.document_id,
        'order',
        coalesce(document.order_id, payment_order.order_id),
        coalesce(document.order_linked_by, 'payment')
    FROM document
    LEFT JOIN payment_order ON payment_order.document_id = document.payment_id
    WHERE document.kind = 'refund' AND coalesce(document.order_id, payment_order.order_id) IS NOT NULL
)
SELECT
    link.from_type,
    link.from_id,
    link.to_type,
    link.to_id,
    link.linked_by,
    one.day - other.day AS days_apart
FROM link
INNER JOIN document AS one ON one.kind = link.from_type AND one.document_id = link.from_id
INNER JOIN document AS other ON other.kind = link.to_type AND other.document_id = link.to_id
