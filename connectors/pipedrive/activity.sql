-- One row per activity or note; their ids are counted apart, so those of notes are told by a prefix.
SELECT
    id AS source_id,
    payload->>'$.type' AS kind,
    payload->>'$.subject' AS subject,
    payload->>'$.person_id' AS contact_id,
    payload->>'$.org_id' AS company_id,
    payload->>'$.deal_id' AS deal_id,
    payload->>'$.owner_id' AS owner_id,
    date_diff('minute', TIME '00:00:00', TRY_CAST(payload->>'$.duration' AS TIME)) AS duration_minutes,
    -- Due times are in UTC; one without a time of day lasts all day.
    coalesce(
        (payload->>'$.due_date') || 'T' || nullif(payload->>'$.due_time', '') || 'Z',
        payload->>'$.marked_as_done_time',
        payload->>'$.due_date',
        payload->>'$.add_time'
    ) AS occurred_at,
    modified_at AS source_updated_at,
    is_deleted
FROM raw.activities
UNION ALL
SELECT
    'note:' || id,
    'note',
    regexp_replace(payload->>'$.content', '<[^>]*>', '', 'g'),
    payload->>'$.person_id',
    payload->>'$.org_id',
    payload->>'$.deal_id',
    payload->>'$.user_id',
    NULL,
    replace(payload->>'$.add_time', ' ', 'T') || 'Z',
    modified_at,
    is_deleted
FROM raw.notes
