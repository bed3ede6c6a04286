-- One row per contact, which in Xero is a customer or a supplier.
WITH street AS (
    SELECT contact.id, address
    FROM raw.contacts AS contact, unnest(CAST(contact.payload->'$.Addresses' AS JSON[])) AS addresses(address)
    WHERE (address->>'$.AddressType') = 'STREET'
),
phone AS (
    SELECT
        contact.id,
        nullif(
            concat_ws(
                ' ',
                nullif('+' || ltrim(number->>'$.PhoneCountryCode', '+'), '+'),
                nullif(number->>'$.PhoneAreaCode', ''),
                nullif(number->>'$.PhoneNumber', '')
            ),
            ''
        ) AS phone
    FROM raw.contacts AS contact, unnest(CAST(contact.payload->'$.Phones' AS JSON[])) AS numbers(number)
    WHERE (number->>'$.PhoneType') = 'DEFAULT'
)
SELECT
    contact.id AS source_id,
    contact.payload->>'$.Name' AS name,
    contact.payload->>'$.Website' AS website,
    contact.payload->>'$.EmailAddress' AS email,
    phone.phone,
    contact.payload->>'$.TaxNumber' AS vat_id,
    contact.payload->>'$.DefaultCurrency' AS currency,
    street.address->>'$.AddressLine1' AS street,
    street.address->>'$.City' AS city,
    street.address->>'$.Region' AS region,
    street.address->>'$.PostalCode' AS postcode,
    street.address->>'$.Country' AS country
FROM raw.contacts AS contact
LEFT JOIN street ON street.id = contact.id
LEFT JOIN phone ON phone.id = contact.id
