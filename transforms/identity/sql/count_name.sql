-- Full names: how many records have each, and how many would if given and family names were independent.
SELECT
    form.given,
    form.family,
    sum(form.records) AS records,
    any_value(name_rarity(count_given.records * count_family.records / (SELECT sum(records) FROM form))) AS level
FROM form
INNER JOIN count_given ON count_given.value = form.given
INNER JOIN count_family ON count_family.value = form.family
GROUP BY form.given, form.family
HAVING sum(form.records) > 1
