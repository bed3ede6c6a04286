-- One row per consent given or withdrawn, as far as Mailchimp still tells.
WITH granted AS (
    SELECT
        id || ':subscribed:' || (payload->>'$.timestamp_opt') AS source_id,
        id AS contact_id,
        payload->>'$.email_address' AS email,
        TRUE AS is_granted,
        payload->>'$.source' AS origin,
        payload->>'$.timestamp_opt' AS occurred_at,
        modified_at,
        is_deleted
    FROM raw.members
    -- Transactional members never subscribed.
    WHERE nullif(payload->>'$.timestamp_opt', '') IS NOT NULL AND (payload->>'$.status') <> 'transactional'
),
by_link AS (
    SELECT
        (payload->>'$.list_id') || ':' || (payload->>'$.email_id') AS contact_id,
        payload->>'$.email_address' AS email,
        payload->>'$.timestamp' AS occurred_at,
        modified_at,
        is_deleted
    FROM raw.unsubscribes
),
-- Who left without a newsletter's link: Mailchimp tells the time of the last change and no other.
otherwise AS (
    SELECT
        member.id AS contact_id,
        member.payload->>'$.email_address' AS email,
        nullif(member.payload->>'$.unsubscribe_reason', '') AS reason,
        member.payload->>'$.last_changed' AS occurred_at,
        member.modified_at,
        member.is_deleted
    FROM raw.members AS member
    WHERE (member.payload->>'$.status') = 'unsubscribed'
        AND NOT EXISTS (
            SELECT 1
            FROM by_link
            WHERE by_link.contact_id = member.id
                AND TRY_CAST(by_link.occurred_at AS TIMESTAMPTZ)
                >= coalesce(TRY_CAST(nullif(member.payload->>'$.timestamp_opt', '') AS TIMESTAMPTZ), 'epoch')
        )
)
SELECT
    source_id,
    contact_id,
    email,
    'email' AS channel,
    is_granted,
    'consent' AS legal_basis,
    origin,
    occurred_at,
    modified_at AS source_updated_at,
    is_deleted
FROM granted
UNION ALL
SELECT
    contact_id || ':unsubscribed:' || occurred_at,
    contact_id,
    email,
    'email',
    FALSE,
    'consent',
    'unsubscribe link',
    occurred_at,
    modified_at,
    is_deleted
FROM by_link
UNION ALL
-- Without the time in its id, since each further change would make another event of it.
SELECT
    contact_id || ':unsubscribed',
    contact_id,
    email,
    'email',
    FALSE,
    'consent',
    coalesce(reason, 'mailchimp'),
    occurred_at,
    modified_at,
    is_deleted
FROM otherwise
