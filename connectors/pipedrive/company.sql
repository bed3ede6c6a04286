-- One row per organization.
SELECT
    id AS source_id,
    payload->>'$.name' AS name,
    payload->>'$.website' AS website,
    payload->>'$.employee_count' AS employees,
    coalesce(
        nullif(concat_ws(' ', payload->>'$.address.route', payload->>'$.address.street_number'), ''),
        payload->>'$.address.value'
    ) AS street,
    payload->>'$.address.locality' AS city,
    payload->>'$.address.admin_area_level_1' AS region,
    payload->>'$.address.postal_code' AS postcode,
    payload->>'$.address.country' AS country,
    payload->>'$.owner_id' AS owner_id,
    payload->>'$.add_time' AS created_at
FROM raw.organizations
