-- How far two records agree: a level per comparison, 15 where there is nothing to compare; see comparisons.py.
WITH judged AS (
    SELECT
        pair.a,
        pair.b,
        l.source = r.source AS is_same_source,
        coalesce(l.external_id = r.external_id, FALSE) AS is_same_id,
        -- Given and family name in each other's place, both of them or the one that is known.
        l.given <> r.given AND l.family <> r.family AND left(l.given, 1) = left(r.family, 1) AND left(l.family, 1) = left(r.given, 1)
            AND (l.given_sound = r.family_sound OR jaro_winkler_similarity(l.given, r.family) >= 0.9)
            AND (l.family_sound = r.given_sound OR jaro_winkler_similarity(l.family, r.given) >= 0.9) AS is_swapped,
        (l.given = r.family OR l.family = r.given)
            AND coalesce(l.given <> r.given, TRUE) AND coalesce(l.family <> r.family, TRUE) AS is_half_swapped,
        coalesce(
            l.root = r.root OR l.given_sound = r.given_sound OR jaro_winkler_similarity(l.given, r.given) >= 0.8
            OR (least(length(l.given), length(r.given)) = 1 AND left(l.given, 1) = left(r.given, 1)),
            FALSE
        ) AS is_given_alike,
        coalesce((l.is_derived OR r.is_derived) AND l.email = r.email, FALSE) AS is_one_origin,
        CASE
            WHEN l.given IS NULL OR r.given IS NULL OR l.family IS NULL OR r.family IS NULL OR is_one_origin THEN 15
            WHEN l.given = r.given AND l.family = r.family THEN greatest(l.name_level, r.name_level)
            ELSE 14
        END AS on_name,
        CASE
            WHEN on_name < 14 THEN 15
            WHEN l.given IS NULL OR r.given IS NULL OR is_swapped OR is_half_swapped OR is_one_origin THEN 15
            WHEN l.given = r.given THEN greatest(l.given_level, r.given_level)
            WHEN length(l.given) = 1 OR length(r.given) = 1 THEN CASE WHEN left(l.given, 1) = left(r.given, 1) THEN 10 ELSE 14 END
            WHEN l.root = r.root THEN 8
            WHEN length(l.given) > 2 AND length(r.given) > 2
                AND (starts_with(l.given, r.given) OR starts_with(r.given, l.given)) THEN 8
            WHEN jaro_winkler_similarity(l.given, r.given) >= 0.92 THEN 9
            WHEN jaro_winkler_similarity(l.given, r.given) >= 0.7 AND length(l.given) > 3
                AND damerau_levenshtein(l.given, r.given) = 1 THEN 9
            WHEN list_contains(l.middle, r.given) OR list_contains(r.middle, l.given) THEN 12
            WHEN jaro_winkler_similarity(l.given, r.given) >= 0.8 OR l.given_sound = r.given_sound THEN 11
            ELSE 14
        END AS on_given,
        CASE
            WHEN on_name < 14 OR is_one_origin THEN 15
            WHEN is_swapped THEN 12
            WHEN is_half_swapped THEN 13
            WHEN l.family IS NULL OR r.family IS NULL THEN 15
            WHEN l.family = r.family THEN greatest(l.family_level, r.family_level)
            WHEN jaro_winkler_similarity(l.family, r.family) >= 0.93 THEN 8
            WHEN jaro_winkler_similarity(l.family, r.family) >= 0.7 AND length(l.family) > 3
                AND damerau_levenshtein(l.family, r.family) = 1 THEN 8
            WHEN list_has_any(coalesce(l.family_parts, [l.family]), coalesce(r.family_parts, [r.family])) THEN 9
            WHEN length(l.family) = 1 OR length(r.family) = 1 THEN CASE WHEN left(l.family, 1) = left(r.family, 1) THEN 10 ELSE 14 END
            WHEN jaro_winkler_similarity(l.family, r.family) >= 0.82 OR l.family_sound = r.family_sound THEN 11
            ELSE 14
        END AS on_family,
        CASE
            WHEN l.birth IS NULL OR r.birth IS NULL THEN 15
            WHEN l.birth = r.birth THEN greatest(l.birth_level, r.birth_level)
            WHEN damerau_levenshtein(l.birth, r.birth) = 1 OR l.birth = left(r.birth, 4) || right(r.birth, 2) || r.birth[5:6] THEN 8
            WHEN (left(l.birth, 4) = left(r.birth, 4))::INT + (l.birth[5:6] = r.birth[5:6])::INT + (right(l.birth, 2) = right(r.birth, 2))::INT = 2 THEN 9
            WHEN left(l.birth, 4) = left(r.birth, 4) OR right(l.birth, 4) = right(r.birth, 4) OR levenshtein(l.birth, r.birth) = 2 THEN 10
            ELSE 14
        END AS on_birth,
        CASE
            WHEN l.email IS NULL OR r.email IS NULL THEN 15
            -- Of the names that share it, it is the one that it is made of who writes without a name.
            WHEN l.email = r.email AND is_one_origin AND l.is_derived <> r.is_derived
                AND (l.root = r.root OR (least(length(l.given), length(r.given)) = 1 AND left(l.given, 1) = left(r.given, 1)))
                AND other_names(l.email_names, l.name_key, r.name_key, is_given_alike) > 0 THEN 11
            WHEN l.email = r.email THEN shared_level(other_names(l.email_names, l.name_key, r.name_key, is_given_alike), l.email_records)
            WHEN l.email_names > 4 OR r.email_names > 4 THEN 15
            -- One slip of the finger, which leaves the beginning or the rest as it was; a number in an address tells
            -- namesakes apart, dots are no slip, and neither are two domains that many have.
            WHEN l.email_number IS NOT DISTINCT FROM r.email_number
                AND l.email_letters <> r.email_letters
                AND abs(length(l.email_letters) - length(r.email_letters)) <= 1
                AND (
                    left(l.email_letters, 5) = left(r.email_letters, 5)
                    OR l.email_letters[6 :] IN (r.email_letters[5 :], r.email_letters[6 :], r.email_letters[7 :])
                )
                AND (l.provider = r.provider OR least(l.provider_level, r.provider_level) < 3)
                AND damerau_levenshtein(l.email_letters, r.email_letters) = 1 THEN 8
            WHEN l.local = r.local AND length(l.local) > 4 THEN 9
            WHEN left(l.local, 1) = left(r.local, 1) AND jaro_winkler_similarity(l.local, r.local) >= 0.9 THEN 10
            ELSE 14
        END AS email_level,
        l.is_mail_named OR r.is_mail_named AS is_mail_named,
        l.is_mail_named AND r.is_mail_named AS are_mails_named,
        -- A single digit is what a provider gives the second of a name; the second at another provider is another.
        length(l.email_number) > 1 AS has_email_number,
        CASE
            WHEN l.phone IS NULL OR r.phone IS NULL THEN 15
            WHEN l.phone = r.phone THEN shared_level(
                other_names(l.phone_names, l.name_key, r.name_key, is_given_alike),
                l.phone_records
            )
            WHEN l.phone_names > 4 OR r.phone_names > 4 THEN 15
            WHEN levenshtein(l.phone, r.phone) <= 2 AND damerau_levenshtein(l.phone, r.phone) = 1 THEN 8
            ELSE 14
        END AS on_phone,
        CASE
            WHEN l.street IS NULL OR r.street IS NULL THEN CASE
                WHEN l.house IS NULL OR r.house IS NULL OR (l.street IS NULL) <> (r.street IS NULL) THEN 15
                WHEN l.house = r.house THEN 11
                ELSE 14
            END
            WHEN l.street = r.street AND l.house = r.house THEN greatest(l.street_level, r.street_level)
            WHEN l.street = r.street THEN 9
            WHEN jaro_winkler_similarity(l.street, r.street) >= 0.9 THEN CASE WHEN l.house = r.house THEN 8 ELSE 10 END
            WHEN l.house = r.house THEN CASE WHEN jaro_winkler_similarity(l.street, r.street) >= 0.75 THEN 12 ELSE 11 END
            ELSE 14
        END AS on_street,
        CASE
            WHEN l.postcode IS NULL OR r.postcode IS NULL THEN 15
            WHEN l.postcode = r.postcode THEN greatest(l.postcode_level, r.postcode_level)
            WHEN damerau_levenshtein(l.postcode, r.postcode) = 1 THEN 8
            WHEN left(l.postcode, 2) = left(r.postcode, 2) THEN 9
            ELSE 14
        END AS on_postcode,
        CASE
            WHEN l.city IS NULL OR r.city IS NULL OR coalesce(l.postcode = r.postcode, FALSE) THEN 15
            WHEN l.city = r.city THEN greatest(l.city_level, r.city_level)
            WHEN jaro_winkler_similarity(l.city, r.city) >= 0.88 OR contains(l.city, r.city) OR contains(r.city, l.city) THEN 8
            ELSE 14
        END AS on_city,
        CASE
            WHEN l.organisation IS NULL OR r.organisation IS NULL THEN 15
            WHEN l.organisation = r.organisation THEN greatest(l.organisation_level, r.organisation_level)
            WHEN replace(l.organisation, ' ', '') = replace(r.organisation, ' ', '') OR jaro_winkler_similarity(l.organisation, r.organisation) >= 0.95 THEN 8
            WHEN starts_with(l.organisation, r.organisation || ' ') OR starts_with(r.organisation, l.organisation || ' ') THEN 9
            WHEN 2 * len(list_intersect(l.organisation_words, r.organisation_words)) > greatest(len(l.organisation_words), len(r.organisation_words)) OR jaro_winkler_similarity(l.organisation, r.organisation) >= 0.88 THEN 10
            WHEN list_has_any(l.organisation_words, r.organisation_words) THEN 11
            ELSE 14
        END AS on_organisation,
        CASE
            WHEN l.employer IS NULL OR r.employer IS NULL THEN 15
            WHEN l.employer = r.employer THEN greatest(l.employer_level, r.employer_level)
            WHEN jaro_winkler_similarity(l.employer, r.employer) >= 0.92 THEN 8
            ELSE 14
        END AS on_employer,
        CASE
            WHEN l.domain IS NULL OR r.domain IS NULL THEN 15
            WHEN l.domain = r.domain THEN shared_level(
                other_names(l.domain_names, l.name_key, r.name_key, is_given_alike),
                l.domain_records
            )
            WHEN l.domain_names > 4 OR r.domain_names > 4 THEN 15
            WHEN split_part(l.domain, '.', 1) = split_part(r.domain, '.', 1) THEN 8
            ELSE 14
        END AS on_domain
    FROM pair
    INNER JOIN comparable AS l ON l.profile = pair.a
    INNER JOIN comparable AS r ON r.profile = pair.b
)
-- Addresses made of names are alike where the names are, and differ as the names do; neither says anything more.
SELECT
    *,
    on_name < 14 OR on_family IN (12, 13) OR (on_given < 14 AND on_family < 14) AS are_names_alike,
    on_name < 14 OR on_given < 14 OR on_family < 14 AS is_a_name_alike,
    CASE
        WHEN email_level = 8 AND are_mails_named AND on_name >= 14
            THEN CASE WHEN are_names_alike THEN 14 ELSE 10 END
        WHEN email_level = 9 AND is_mail_named AND has_email_number IS NOT TRUE AND is_a_name_alike THEN 14
        WHEN email_level = 10 AND is_mail_named AND is_a_name_alike THEN 14
        ELSE email_level
    END AS on_email
FROM judged
