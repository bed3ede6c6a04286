-- One row per profile: its values in the forms that are compared and blocked by.
WITH plain AS (
    SELECT
        profile,
        source,
        records,
        nullif(trim(external_id), '') AS external_id,
        named(untitled(words(given_name))) AS given_words,
        named(untitled(words(family_name))) AS family_words,
        words(full_name) AS whole,
        strpos(full_name, ',') AS comma,
        full_name,
        named(words(company_name)) AS company_words,
        regexp_replace(nullif(trim(lower(email)), ''), '\+[^@]*@', '@') AS email,
        ltrim(regexp_replace(phone, '[^0-9]+', '', 'g'), '0') AS digits,
        words(street) AS street_words,
        named(folded(words(city))) AS city,
        nullif(regexp_replace(upper(postcode), '[^\p{L}\p{N}]+', '', 'g'), '') AS postcode,
        nullif(trim(lower(domain)), '') AS domain,
        trim(birth_date) AS birth
    FROM profile
),
split AS (
    SELECT
        *,
        company_words IS NULL AND given_words IS NULL AND family_words IS NULL
            AND has_legal_form(whole) AS is_named_organisation,
        given_words IS NULL AND family_words IS NULL AND whole IS NOT NULL AS is_whole,
        named(untitled(whole)) AS whole_words
    FROM plain
),
person AS (
    SELECT
        *,
        CASE
            WHEN is_named_organisation THEN NULL
            WHEN NOT is_whole THEN given_words
            WHEN comma > 0 THEN untitled(words(full_name[comma + 1 :]))
            WHEN contains(whole_words, ' ') THEN regexp_replace(bare(whole_words), ' [^ ]+$', '')
            ELSE whole_words
        END AS given,
        CASE
            WHEN is_named_organisation THEN NULL
            WHEN NOT is_whole THEN family_words
            WHEN comma > 0 THEN untitled(words(full_name[: comma - 1]))
            WHEN contains(bare(whole_words), ' ') THEN regexp_extract(bare(whole_words), '[^ ]+$')
        END AS family,
        CASE WHEN is_named_organisation THEN whole ELSE company_words END AS company
    FROM split
),
formed AS (
    SELECT
        profile,
        source,
        records,
        external_id,
        nullif(split_part(folded(given), ' ', 1), '') AS given,
        CASE WHEN contains(given, ' ') THEN string_split(folded(given), ' ')[2 :] END AS middle,
        replace(folded(bare(family)), ' ', '') AS family,
        CASE WHEN contains(bare(family), ' ') THEN string_split(folded(bare(family)), ' ') END AS family_parts,
        CASE WHEN given IS NULL AND family IS NULL THEN folded(unformed(company)) END AS organisation,
        CASE WHEN NOT (given IS NULL AND family IS NULL) THEN folded(unformed(company)) END AS employer,
        CASE
            WHEN email IS NULL OR strpos(email, '@') < 2 THEN NULL
            WHEN regexp_matches(email, '^(test|tests|noreply|no-reply|no\.reply|donotreply|none|na|n/a|unknown|dummy|null|nomail|no|kein|keine)@') THEN NULL
            ELSE email
        END AS email,
        CASE
            WHEN length(digits) < 6 OR regexp_matches(digits, '^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+|12345678?9?0?)$') THEN NULL
            ELSE right(digits, 9)
        END AS phone,
        domain,
        street_name(folded(street_words)) AS street,
        nullif(regexp_extract(street_words, '[0-9]+'), '') AS house,
        postcode,
        city,
        CASE
            WHEN regexp_matches(birth, '^[0-9]{4}[^0-9]?[0-9]{2}[^0-9]?[0-9]{2}') THEN left(regexp_replace(birth, '[^0-9]+', '', 'g'), 8)
            WHEN regexp_matches(birth, '^[0-9]{1,2}[^0-9][0-9]{1,2}[^0-9][0-9]{4}$')
                THEN regexp_extract(birth, '([0-9]{4})$', 1)
                    || lpad(regexp_extract(birth, '^[0-9]{1,2}[^0-9]([0-9]{1,2})', 1), 2, '0')
                    || lpad(regexp_extract(birth, '^([0-9]{1,2})', 1), 2, '0')
        END AS birth
    FROM person
),
sounding AS (
    SELECT
        formed.*,
        coalesce(nickname.root, formed.given) AS root,
        sound(coalesce(nickname.root, formed.given)) AS given_sound,
        sound(formed.family) AS family_sound
    FROM formed
    LEFT JOIN nickname ON nickname.name = formed.given
)
SELECT
    *,
    split_part(email, '@', 1) AS local,
    split_part(email, '@', 2) AS provider,
    -- Two records with one key have one name, however it is spelt and whichever part comes first.
    CASE
        WHEN organisation IS NOT NULL THEN left(sound(replace(organisation, ' ', '')), 4)
        WHEN left(family_sound, 2) < left(given_sound, 2) THEN left(family_sound, 2) || left(given_sound, 2)
        ELSE left(given_sound, 2) || left(family_sound, 2)
    END AS name_key
FROM sounding
