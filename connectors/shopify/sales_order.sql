-- One row per order, in the currency that the customer paid in.
SELECT
    id AS source_id,
    payload->>'$.name' AS order_number,
    payload->>'$.customer.legacyResourceId' AS contact_id,
    payload->>'$.email' AS email,
    payload->>'$.phone' AS phone,
    -- The shop keeps payment and delivery apart; the contract has one status, the furthest the order got.
    CASE
        WHEN (payload->>'$.cancelledAt') IS NOT NULL THEN 'cancelled'
        WHEN (payload->>'$.displayFinancialStatus') = 'REFUNDED' THEN 'refunded'
        WHEN (payload->>'$.displayFulfillmentStatus') = 'FULFILLED' AND json_array_length(payload, '$.fulfillments') > 0
            AND list_aggregate((payload->>'$.fulfillments[*].deliveredAt'), 'count')
            = json_array_length(payload, '$.fulfillments') THEN 'delivered'
        WHEN (payload->>'$.displayFulfillmentStatus') = 'FULFILLED' THEN 'shipped'
        WHEN (payload->>'$.displayFinancialStatus') IN ('PAID', 'PARTIALLY_REFUNDED') THEN 'paid'
        WHEN (payload->>'$.displayFinancialStatus') IN ('PENDING', 'AUTHORIZED', 'PARTIALLY_PAID') THEN 'open'
        WHEN (payload->>'$.displayFinancialStatus') IN ('VOIDED', 'EXPIRED') THEN 'cancelled'
        -- What Shopify may invent tomorrow goes through as it is, and into quarantine.
        ELSE payload->>'$.displayFinancialStatus'
    END AS status,
    payload->>'$.sourceName' AS channel,
    payload->>'$.presentmentCurrencyCode' AS currency,
    -- The goods' price without tax, before the discount; Shopify's subtotal is after it, and with tax where prices are.
    CAST(payload->>'$.subtotalPriceSet.presentmentMoney.amount' AS DECIMAL(18, 4))
    + CAST(payload->>'$.totalDiscountsSet.presentmentMoney.amount' AS DECIMAL(18, 4))
    - CASE
        WHEN (payload->>'$.taxesIncluded') = 'true'
            THEN CAST(payload->>'$.totalTaxSet.presentmentMoney.amount' AS DECIMAL(18, 4))
        ELSE 0
    END AS subtotal,
    payload->>'$.totalDiscountsSet.presentmentMoney.amount' AS discount,
    payload->>'$.totalShippingPriceSet.presentmentMoney.amount' AS shipping,
    payload->>'$.totalTaxSet.presentmentMoney.amount' AS tax,
    payload->>'$.totalPriceSet.presentmentMoney.amount' AS total,
    payload->>'$.discountCodes[0]' AS coupon_code,
    payload->>'$.customerJourneySummary.lastVisit.utmParameters.campaign' AS campaign,
    payload->>'$.customerJourneySummary.lastVisit.utmParameters.source' AS utm_source,
    payload->>'$.customerJourneySummary.lastVisit.utmParameters.medium' AS utm_medium,
    payload->>'$.shippingAddress.city' AS ship_city,
    payload->>'$.shippingAddress.province' AS ship_region,
    payload->>'$.shippingAddress.zip' AS ship_postcode,
    coalesce(payload->>'$.shippingAddress.countryCodeV2', payload->>'$.shippingAddress.country') AS ship_country,
    payload->>'$.createdAt' AS ordered_at,
    payload->>'$.cancelledAt' AS cancelled_at,
    list_aggregate((payload->>'$.fulfillments[*].deliveredAt'), 'max') AS delivered_at,
    substr(list_aggregate((payload->>'$.fulfillments[*].estimatedDeliveryAt'), 'max'), 1, 10) AS promised_date
FROM raw.orders
WHERE (payload->>'$.test') = 'false'
