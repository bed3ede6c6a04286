-- One row per consent given or withdrawn.
WITH dated AS (
    SELECT
        consent.*,
        CAST(consent.occurred_at AT TIME ZONE night.timezone AS DATE) AS occurred_date
    FROM clean.consent_event AS consent
    CROSS JOIN meta.night AS night
    WHERE NOT consent.is_deleted
)
SELECT
    consent.source || ':' || consent.source_id AS consent_id,
    consent.source,
    consent.source_id,
    coalesce(by_contact.customer_id, by_email.customer_id) AS customer_id,
    consent.channel,
    consent.is_granted,
    consent.legal_basis,
    consent.origin,
    consent.occurred_at,
    consent.occurred_date,
    coalesce(by_contact.customer_id, by_email.customer_id) IS NOT NULL
        AND row_number() OVER (
            PARTITION BY coalesce(by_contact.customer_id, by_email.customer_id), consent.channel
            -- A withdrawal at the same moment wins: when in doubt, do not write.
            ORDER BY consent.occurred_at DESC, consent.is_granted, consent.source, consent.source_id
        ) = 1 AS is_current
FROM dated AS consent
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || consent.source || ':' || consent.contact_id
LEFT JOIN identity.assignment AS by_email
    ON by_email.record_id = 'email:' || consent.source || ':' || consent.email
