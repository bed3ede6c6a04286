-- One row per contact of a person, known or not, with marketing.
WITH dated AS (
    SELECT
        touch.*,
        CAST(touch.occurred_at AT TIME ZONE night.timezone AS DATE) AS occurred_date
    FROM clean.marketing_touch AS touch
    CROSS JOIN meta.night AS night
    WHERE NOT touch.is_deleted
),
campaign_by_name AS (
    SELECT source, name_key, min(campaign_id) AS campaign_id
    FROM core.campaign
    GROUP BY source, name_key
)
SELECT
    touch.source || ':' || touch.source_id AS touch_id,
    touch.source,
    touch.source_id,
    coalesce(by_contact.customer_id, by_email.customer_id) AS customer_id,
    touch.visitor_id,
    campaign.campaign_id,
    coalesce(campaign.name, touch.campaign_name) AS campaign_name,
    campaign.platform,
    coalesce(touch.channel, campaign.channel) AS channel,
    touch.kind,
    touch.url,
    touch.occurred_at,
    touch.occurred_date
FROM dated AS touch
LEFT JOIN core.campaign AS by_id ON by_id.source = touch.source AND by_id.source_id = touch.campaign_id
LEFT JOIN campaign_by_name AS by_name
    ON by_name.source = touch.source AND by_name.name_key = lower(trim(touch.campaign_name))
LEFT JOIN core.campaign AS campaign ON campaign.campaign_id = coalesce(by_id.campaign_id, by_name.campaign_id)
LEFT JOIN identity.assignment AS by_contact
    ON by_contact.record_id = 'contact:' || touch.source || ':' || touch.contact_id
LEFT JOIN identity.assignment AS by_email
    ON by_email.record_id = 'email:' || touch.source || ':' || touch.email
