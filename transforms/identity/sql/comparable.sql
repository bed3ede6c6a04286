-- One row per profile: what is compared, with how many records share it.
WITH named AS (
    SELECT
        form.* REPLACE (
            coalesce(form.given, derived.given) AS given,
            coalesce(form.family, derived.family) AS family,
            coalesce(form.root, nickname.root, derived.given) AS root,
            coalesce(form.given_sound, sound(coalesce(nickname.root, derived.given))) AS given_sound,
            coalesce(form.family_sound, sound(derived.family)) AS family_sound
        ),
        (form.given IS NULL AND derived.given IS NOT NULL)
            OR (form.family IS NULL AND derived.family IS NOT NULL) AS is_derived
    FROM form
    LEFT JOIN derived ON derived.profile = form.profile
    LEFT JOIN nickname ON nickname.name = derived.given
)
SELECT
    named.* EXCLUDE (birth, external_id),
    CASE WHEN count_birth.records IS NOT NULL THEN named.birth END AS birth,
    CASE WHEN coalesce(count_external_id.names, 0) <= 4 THEN named.external_id END AS external_id,
    string_split(named.organisation, ' ') AS organisation_words,
    nullif(regexp_replace(named.local, '[^0-9]+', '', 'g'), '') AS email_number,
    folded(regexp_replace(named.email, '[^a-z@]+', '', 'g')) AS email_letters,
    coalesce(length(named.family) > 2 AND contains(folded(named.local), named.family), FALSE)
        OR coalesce(length(named.given) > 2 AND contains(folded(named.local), named.given), FALSE) AS is_mail_named,
    coalesce(count_name.level, 0) AS name_level,
    rarity(count_given.records) AS given_level,
    rarity(count_family.records) AS family_level,
    rarity(count_birth.records) AS birth_level,
    rarity(count_street.records) AS street_level,
    rarity(count_postcode.records) AS postcode_level,
    rarity(count_city.records) AS city_level,
    rarity(count_organisation.records) AS organisation_level,
    rarity(count_employer.records) AS employer_level,
    rarity(count_provider.records) AS provider_level,
    coalesce(count_email.records, 1) AS email_records,
    coalesce(count_email.names, 0) AS email_names,
    coalesce(count_phone.records, 1) AS phone_records,
    coalesce(count_phone.names, 0) AS phone_names,
    coalesce(count_domain.records, 1) AS domain_records,
    coalesce(count_domain.names, 0) AS domain_names
FROM named
LEFT JOIN count_name ON count_name.given = named.given AND count_name.family = named.family
LEFT JOIN count_given ON count_given.value = named.given
LEFT JOIN count_family ON count_family.value = named.family
LEFT JOIN count_birth ON count_birth.value = named.birth
LEFT JOIN count_street ON count_street.value = named.street || ' ' || named.house
LEFT JOIN count_postcode ON count_postcode.value = named.postcode
LEFT JOIN count_city ON count_city.value = named.city
LEFT JOIN count_organisation ON count_organisation.value = named.organisation
LEFT JOIN count_employer ON count_employer.value = named.employer
LEFT JOIN count_provider ON count_provider.value = named.provider
LEFT JOIN count_email ON count_email.value = named.email
LEFT JOIN count_phone ON count_phone.value = named.phone
LEFT JOIN count_domain ON count_domain.value = named.domain
LEFT JOIN count_external_id ON count_external_id.value = named.external_id
