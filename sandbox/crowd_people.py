"""The people of a crowd: households and the firms some of them work for, what is true of each and what was before.

One row per real person. How systems come to spell them, and which systems know them, is `crowd`'s.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import Ints, rng
from sandbox.people import fold, postcode_of

Random = np.random.Generator
Bools = np.ndarray
Texts = np.ndarray

#: Days since 1970 between which systems came to know people.
FIRST_DAY, LAST_DAY = 18_567, 20_757
HOUSEHOLD_SHARE = (0.7, 0.15, 0.06, 0.06, 0.03)
STAFF_SHARE = 0.13
HEAD, PARTNER, CHILD, SIBLING, FLATMATE = range(5)

_MAIL_HOSTS = (
    *("mail.example", "post.example", "web.example", "online.example", "freemail.example", "inbox.example"),
    *("brief.example", "netz.example", "funk.example", "kabel.example", "example.com", "example.net", "example.org"),
)
_HOST_SHARE = 1.25
_PATTERN_SHARE = np.array([0.31, 0.08, 0.04, 0.1, 0.05, 0.05, 0.1, 0.06, 0.06, 0.04, 0.07, 0.04])
_MOBILE = {"DE": "+491512", "AT": "+43664", "CH": "+4179", "FR": "+336", "NL": "+316", "GB": "+4474"}
_MOBILE_DIGITS = {"DE": 7, "AT": 7, "CH": 7, "FR": 8, "NL": 8, "GB": 8}
_DIAL = {"DE": "+49", "AT": "+43", "CH": "+41", "FR": "+33", "NL": "+31", "GB": "+44"}


def make_people(seed: int, count: int) -> pl.DataFrame:
    """People who live in households, one row each.

    Args:
        seed: Another seed gives other people.
        count: How many.

    Returns:
        person_id, household_id, firm_id (numbers); names now and before `renamed_on`; `born`; addresses now and
        before `moved_on`; mailboxes (`email`, before `mail_on` `email_before`, `email_second`, `work_email`); phones
        alike; and the firm's name and address. Days are days since 1970; what a person does not have is null.
    """
    random = rng(seed, "crowd people")
    houses = _households(random, count)
    people = _members(random, houses, count)
    people = people.hstack(_homes(random, houses, people["household_id"].to_numpy()))
    people = _with_phones(random, people, houses)
    people = _with_firms(random, people)
    return _with_mailboxes(random, people, houses).with_columns(person_id=pl.int_range(pl.len()))


def newcomers(seed: int, known: pl.DataFrame, count: int) -> pl.DataFrame:
    """So many more people than are known, who share no mailbox or telephone with them and have no firm."""
    mailboxes = ("email", "email_before", "email_second", "work_email")
    phones = ("mobile", "mobile_before", "landline", "work_phone")
    people = make_people(seed, 3 * count + 10)
    taken = {names: pl.concat([known[c].alias("") for c in names]).implode() for names in (mailboxes, phones)}
    free = [pl.col(c).is_null() | ~pl.col(c).is_in(taken[names]) for names in taken for c in names[:3]]
    people = people.filter(pl.all_horizontal(free)).head(count)
    firms = [c for c in people.columns if c.startswith(("work_", "firm_", "company"))]
    return people.with_columns(
        *(pl.lit(None, dtype=people.schema[c]).alias(c) for c in firms),
        household_id=pl.col("household_id") + 1 + pl.lit(known["household_id"].max()),
        person_id=pl.int_range(known.height, known.height + pl.len()),
    )


def with_change(random: Random, people: pl.DataFrame, persons: Ints, change: str, day: int) -> pl.DataFrame:
    """People of whom some have another mailbox, home or family name from a day on.

    Args:
        random: Where chance comes from.
        people: As from `make_people`.
        persons: Who changes, as rows of `people`; each once.
        change: `mail`, `home` or `name`.
        day: The day, in days since 1970.
    """
    some = people[persons]
    others = people[_countrymen(random, people["country"], persons)]
    columns: dict[str, tuple[str, ...]] = {
        "mail": ("email",),
        "home": ("street", "city", "region", "postcode"),
        "name": ("family",),
    }
    changed = {c: others[c] for c in columns[change]}
    if change == "mail":
        drawn = _addresses(random, _mail_parts(some)).str.split_exact("@", 1).struct.unnest()
        # The number keeps it from being anybody else's.
        number = (people.height + some["person_id"]).cast(pl.String)
        changed["email"] = drawn["field_0"] + "." + number + "@" + drawn["field_1"]
    before = {f"{c}_before": some[c] for c in changed}
    since = {"mail": "mail_on", "home": "moved_on", "name": "renamed_on"}[change]
    new = {**changed, **before, since: pl.Series([day] * len(persons), dtype=people.schema[since])}
    return people.with_columns(people[name].scatter(persons, values).alias(name) for name, values in new.items())


def _countrymen(random: Random, country: pl.Series, persons: Ints) -> Ints:
    """Somebody of the same country for each."""
    chosen = persons.copy()
    for code in words.COUNTRIES:
        here = np.flatnonzero((country.gather(persons) == code).to_numpy())
        if len(here):
            chosen[here] = random.choice(np.flatnonzero((country == code).to_numpy()), len(here))
    return chosen


def draw(random: Random, count: int, size: int, exponent: float) -> Ints:
    """Positions in a list whose first entries are common and whose last are rare (Zipf)."""
    weights = np.arange(1, size + 1) ** -exponent
    return np.minimum(np.searchsorted(np.cumsum(weights) / weights.sum(), random.random(count)), size - 1)


def texts(values: Texts | list[str]) -> pl.Series:
    """A column of text from an array of objects."""
    return pl.Series(list(values), dtype=pl.String)


def blank(count: int) -> pl.Series:
    """A column of text with nothing in it."""
    return pl.Series([None] * count, dtype=pl.String)


def either(base: pl.Series, where: Bools, other: pl.Series) -> pl.Series:
    """`other` at the rows `where`, `base` elsewhere."""
    return base.zip_with(pl.Series(~where), other)


def _households(random: Random, count: int) -> pl.DataFrame:
    sizes = random.choice(np.arange(1, 6), count, p=HOUSEHOLD_SHARE)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), count)) + 1]
    kind = np.where(sizes == 1, 0, 1 + random.choice(3, len(sizes), p=(0.8, 0.09, 0.11)))
    return pl.DataFrame(
        {
            "size": sizes,
            "kind": kind,  # 0 alone, 1 family, 2 siblings, 3 flatmates
            "country": random.choice(len(words.COUNTRIES), len(sizes), p=words.COUNTRY_SHARE),
            "is_abroad": random.random(len(sizes)) < 0.1,
            "has_landline": random.random(len(sizes)) < np.where(sizes == 1, 0.3, 0.55),
            "shares_mailbox": (sizes > 1) & (kind != 3) & (random.random(len(sizes)) < 0.12),
        }
    )


def _members(random: Random, houses: pl.DataFrame, count: int) -> pl.DataFrame:
    """Who lives in each household: role, sex, birth date and names."""
    house = np.repeat(np.arange(houses.height), houses["size"].to_numpy())[:count]
    first = np.concatenate([[0], np.cumsum(houses["size"].to_numpy())])[house]
    place = np.arange(count) - first
    kind, country = houses["kind"].to_numpy()[house], houses["country"].to_numpy()[house]
    role = np.select(
        [place == 0, kind == 2, kind == 3, (place == 1) & (random.random(count) < 0.82)],
        [HEAD, SIBLING, FLATMATE, PARTNER],
        CHILD,
    )
    female = random.random(count) < 0.5
    female = np.where((role == PARTNER) & (random.random(count) < 0.96), ~female[first], female)
    born = _births(random, role, first)
    abroad = houses["is_abroad"].to_numpy()[house]
    given = _given(random, country, female, born, abroad)
    namesake = (role == CHILD) & (female == female[first]) & (random.random(count) < 0.04)
    given = np.where(namesake, given[first], given)
    return pl.DataFrame(
        {
            "household_id": house,
            "role": role,
            "country": texts(np.array(words.COUNTRIES, dtype=object)[country]),
            "given": texts(given),
            "second_given": texts(_given(random, country, female, born, abroad)),
            **_family_names(random, country, role, first, female, abroad),
            "born": pl.Series(born).cast(pl.Date),
        }
    )


def _births(random: Random, role: Ints, first: Ints) -> Ints:
    """Days since 1970: couples are of about one age, children a generation younger, some of them twins."""
    count = len(role)
    born = random.integers(-12_000, 13_000, count)
    born = np.where(role == PARTNER, born[first] + random.normal(300, 1100, count).astype(int), born)
    born = np.where(role == SIBLING, born[first] + random.normal(0, 1500, count).astype(int), born)
    child = born[first] + random.integers(20 * 365, 38 * 365, count)
    born = np.where(role == CHILD, np.where(child > 14_500, random.integers(11_000, 14_500, count), child), born)
    twin = (role == CHILD) & (np.roll(role, 1) == CHILD) & (random.random(count) < 0.03)
    return np.where(twin, np.roll(born, 1), born).astype(np.int64)


@cache
def _given_lists(code: str) -> tuple[list[str], list[str]]:
    """Women's and men's names of a country."""
    base = "DE" if code in ("AT", "CH") else code
    cut = words.GIVEN[base].index(words.FIRST_MAN[base])
    extra = [words.GIVEN_MORE[c] for c in dict.fromkeys((base, code))]
    women = [*words.GIVEN[base][:cut], *(name for more in extra for name in more[0])]
    men = [*words.GIVEN[base][cut:], *(name for more in extra for name in more[1])]
    return list(dict.fromkeys(women)), list(dict.fromkeys(men))


def _given(random: Random, country: Ints, female: Bools, born: Ints, abroad: Bools) -> Texts:
    """Given names; each decade has its own favourites."""
    names = np.empty(len(country), dtype=object)
    for position, code in enumerate((*words.COUNTRIES, "abroad")):
        here = abroad if code == "abroad" else (country == position) & ~abroad
        lists = words.GIVEN_ABROAD if code == "abroad" else _given_lists(code)
        for listed, sex in zip(lists, (female, ~female), strict=True):
            at = np.flatnonzero(here & sex)
            order = np.random.default_rng(len(listed)).permutation(len(listed))
            decade = (born[at] + 12_000) // 3650
            rank = (draw(random, len(at), len(listed), 0.75) + 11 * decade) % len(listed)
            names[at] = np.array(listed, dtype=object)[order[rank]]
            double = at[random.random(len(at)) < 0.035]
            names[double] = names[double] + random.choice(["-", " "], len(double)) + random.permutation(names[double])
    return names


def _family_names(
    random: Random, country: Ints, role: Ints, first: Ints, female: Bools, abroad: Bools
) -> dict[str, pl.Series]:
    """Family names now, and for those who took another name the one before and the day."""
    count = len(country)
    born_with = _families(random, country, abroad)
    heads = born_with[first]
    chance = random.random(count)
    children = np.isin(role, (CHILD, SIBLING)) & (chance < 0.94)
    takes = (role == PARTNER) & (chance < 0.72)
    joins = (role == PARTNER) & (chance > 0.91)
    alone = (role == HEAD) & (chance < np.where(female, 0.06, 0.01))
    now = np.where(children | takes, heads, born_with)
    now = np.where(joins, np.where(chance < 0.955, heads + "-" + born_with, born_with + "-" + heads), now)
    now = np.where(alone, _families(random, country, abroad), now)
    lately = (takes | joins | alone) & (random.random(count) < 0.55)
    day = np.where(lately, random.integers(FIRST_DAY - 700, LAST_DAY, count), 0)
    return {
        "family": texts(now),
        "family_before": either(blank(count), lately, texts(born_with)),
        "renamed_on": pl.Series(day),
    }


def _families(random: Random, country: Ints, abroad: Bools) -> Texts:
    names = np.empty(len(country), dtype=object)
    for position, code in enumerate((*words.COUNTRIES, "abroad")):
        here = np.flatnonzero(abroad if code == "abroad" else (country == position) & ~abroad)
        listed = np.array(words.FAMILY_ABROAD if code == "abroad" else words.FAMILY[code], dtype=object)
        names[here] = listed[draw(random, len(here), len(listed), 0.6)]
        # A sixth bear one of the frequent names; the rest share many thousands of rare ones.
        rare = here[random.random(len(here)) > 0.16]
        names[rare] = _rare_families(random, "DE" if code in ("AT", "CH") else code, len(rare))
    double = np.flatnonzero(random.random(len(names)) < 0.006)
    names[double] = names[double] + "-" + random.permutation(names[double])
    return names


def _rare_families(random: Random, code: str, count: int) -> Texts:
    stems, endings, joints, beginnings = (
        np.array(lists[code], dtype=object)
        for lists in (words.FAMILY_STEMS, words.FAMILY_ENDINGS, words.FAMILY_JOINTS, words.FAMILY_BEGINNINGS)
    )
    stem = stems[draw(random, count, len(stems), 0.3)]
    joint = np.where(random.random(count) < 0.4, joints[random.integers(0, len(joints), count)], "")
    longer = beginnings[random.integers(0, len(beginnings), count)] + stem
    if code == "DE":
        longer = np.array([name.capitalize() for name in longer.tolist()], dtype=object)
    whole = np.where(random.random(count) < 0.3, longer, stem)
    return whole + joint + endings[draw(random, count, len(endings), 0.5)]


def _homes(random: Random, houses: pl.DataFrame, house: Ints) -> pl.DataFrame:
    """Where people live and where they lived before `moved_on`; a household moves together, mostly."""
    country = houses["country"].to_numpy()
    buildings = _buildings(random, country)
    now, before = (_building_of(random, country) for _ in range(2))
    # Buildings stand in the order of their towns, and most moves are within one.
    near = np.clip(now + random.integers(-15, 16, len(country)), 0, buildings.height - 1)
    stays = (random.random(len(country)) < 0.6) & (buildings["country"].to_numpy()[near] == country)
    before = np.where(stays, near, before)
    moved = random.random(len(country)) < 0.24
    day = np.where(moved, random.integers(FIRST_DAY, LAST_DAY, len(country)), 0)
    # Who has only just come to live with the others has an address of their own before.
    alone = random.random(len(house)) < 0.02
    before_of = np.where(alone, random.permutation(before[house]), before[house])
    same_country = country[house] == buildings["country"].to_numpy()[before_of]
    before_of = np.where(same_country, before_of, before[house])
    day_of = np.where(alone, random.integers(FIRST_DAY, LAST_DAY, len(house)), day[house])
    here, there = (buildings[at].drop("country") for at in (now[house], before_of))
    there = there.rename({c: f"{c}_before" for c in there.columns})
    return here.hstack(there).with_columns(moved_on=pl.Series(day_of))


def _building_of(random: Random, country: Ints) -> Ints:
    """A building for each household; buildings are listed by country in the order of households."""
    chosen = np.empty(len(country), dtype=np.int64)
    start = 0
    for position in range(len(words.COUNTRIES)):
        here = np.flatnonzero(country == position)
        many = _houses_of(len(here))
        chosen[here] = start + random.integers(0, many, len(here))
        start += many
    return chosen


def _houses_of(households: int) -> int:
    return max(1, round(0.7 * households))


def _buildings(random: Random, country: Ints) -> pl.DataFrame:
    found = []
    for position, code in enumerate(words.COUNTRIES):
        count = _houses_of(int((country == position).sum()))
        places = _places(code)
        weights = places["weight"].to_numpy()
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), random.random(count))
        there = places[np.minimum(chosen, places.height - 1)]
        offsets = (random.random(count) * there["span"].to_numpy()).astype(int)
        codes = [
            postcode_of(code, city, number)
            for city, number in zip(there["city"], (there["first"].to_numpy() + offsets).tolist(), strict=True)
        ]
        streets = _streets(random, code, count)
        where = there.select("city", "region", area=pl.lit(code) + pl.col("area").cast(pl.String))
        built = where.with_columns(postcode=texts(codes), street=streets, country=pl.lit(position))
        found.append(built.sort("city", maintain_order=True))
    return pl.concat(found)


@cache
def _places(code: str) -> pl.DataFrame:
    """Cities, and many small towns that as many people live in."""
    rows = [(c, r, first, span, 30 + span, n) for n, (c, r, first, span) in enumerate(words.CITIES[code])]
    cities = pl.DataFrame(rows, schema=["city", "region", "first", "span", "weight", "area"], orient="row")
    regions, random = words.TOWN_REGIONS[code], np.random.default_rng(len(code))
    names = [stem + ending for stem in words.TOWN_STEMS for ending in words.TOWN_ENDINGS]
    towns = [
        (name, region, first + int(random.integers(width)), 1 + n % 2, 1 / (5 + rank), n)
        for rank, name in enumerate(random.permutation(names).tolist())
        for n, (region, first, width) in [(rank, regions[rank % len(regions)])]
    ]
    small = pl.DataFrame(towns, schema=cities.schema | {"weight": pl.Float64}, orient="row")
    share = pl.col("weight") / pl.col("weight").sum()
    return pl.concat([cities.with_columns(share.alias("weight")), small.with_columns(share.alias("weight"))])


def _streets(random: Random, code: str, count: int) -> pl.Series:
    language = "DE" if code in ("AT", "CH") else code
    stems, endings = words.STREET_STEMS[language], words.STREET_ENDINGS[language]
    joined = [e.format(s) if "{}" in e else s + e for e in endings for s in stems]
    names = np.array([*words.STREETS[code], *joined], dtype=object)[
        draw(random, count, len(words.STREETS[code]) + len(joined), 0.35)
    ]
    numbers = (1 + 150 * random.random(count) ** 1.8).astype(int).astype(str).astype(object)
    letter = np.where(random.random(count) < 0.06, random.choice(list("abc"), count), "").astype(object)
    return texts(numbers + letter + " " + names if code in ("FR", "GB") else names + " " + numbers + letter)


def _with_phones(random: Random, people: pl.DataFrame, houses: pl.DataFrame) -> pl.DataFrame:
    """Mobiles of their own and landlines of households, in E.164, no number twice."""
    count = people.height
    house = people["household_id"].to_numpy()
    country = houses["country"].to_numpy()
    mobiles = _mobiles(random, np.tile(country[house], 2))
    has = random.random(count) < 0.84
    changed = has & (random.random(count) < 0.12)
    area = people["area"].gather(np.searchsorted(house, np.arange(houses.height)))
    lines = either(texts(landlines(random, area)), ~houses["has_landline"].to_numpy(), blank(houses.height))
    empty = blank(count)
    return people.with_columns(
        mobile=either(empty, has, mobiles[:count]),
        mobile_before=either(empty, changed, mobiles[count:]),
        phone_on=pl.Series(np.where(changed, random.integers(FIRST_DAY, LAST_DAY, count), 0)),
        landline=lines.gather(house),
    )


def _mobiles(random: Random, country: Ints) -> pl.Series:
    numbers = np.empty(len(country), dtype=object)
    for position, code in enumerate(words.COUNTRIES):
        here = np.flatnonzero(country == position)
        size = 10 ** _MOBILE_DIGITS[code]
        scattered = size // 10 + _scattered(random, len(here), size * 9 // 10)
        numbers[here] = [f"{_MOBILE[code]}{n}" for n in scattered.tolist()]
    return texts(numbers)


def landlines(random: Random, area: pl.Series, shorter: int = 0) -> list[str]:
    """Numbers of the areas, each once; `area` is a country's code and a number of a place."""
    numbers = []
    scattered = _scattered(random, len(area), 7_999_993).tolist()
    for where, number in zip(area.to_list(), scattered, strict=True):
        codes, digits = words.AREA_CODES[where[:2]]
        subscriber = str(2_000_000 + number).zfill(digits)[-digits:]
        numbers.append(_DIAL[where[:2]] + codes[int(where[2:]) % len(codes)] + subscriber[: digits - shorter])
    return numbers


def _scattered(random: Random, count: int, size: int) -> Ints:
    """Numbers below `size` in no order; none comes twice before all have come."""
    return (random.permutation(count) * 7919 + int(random.integers(size))) % size


def _with_firms(random: Random, people: pl.DataFrame) -> pl.DataFrame:
    """Makes some people the staff of firms in their country, a few of them large."""
    works = random.random(people.height) < STAFF_SHARE
    firm_of = np.full(people.height, -1, dtype=np.int64)
    areas: list[str] = []
    for code in words.COUNTRIES:
        staff = np.flatnonzero(works & (people["country"] == code).to_numpy())
        firm_count = max(1, round(len(staff) / 2.2))
        firm_of[staff] = len(areas) + (firm_count * random.random(len(staff)) ** 1.6).astype(int)
        areas += [code] * firm_count
    firms = _firms(random, areas, people)
    used = np.bincount(firm_of[firm_of >= 0], minlength=len(areas))[firm_of]
    firm = pl.Series(firm_of).replace(-1, None)
    own = {name: firms[name].gather(firm) for name in firms.columns}
    chance, many = random.random(people.height), random.random(people.height)
    extension = pl.Series([f"{n:02d}" for n in random.integers(10, 100, people.height)])
    line = either(own["switchboard"] + "0", chance > 0.5, own["switchboard"] + extension)
    line = either(line, chance > 0.8, blank(people.height))
    inbox = (used <= 6) & (many < 0.65) & own["has_inbox"].fill_null(False).to_numpy()
    return people.with_columns(
        firm_id=firm,
        company=own["company"],
        work_phone=line,
        work_domain=own["domain"],
        work_inbox=either(blank(people.height), inbox, own["inbox"]),
        **{f"work_{c}": own[c] for c in ("street", "city", "region", "postcode")},
    )


def _firms(random: Random, areas: list[str], people: pl.DataFrame) -> pl.DataFrame:
    """Firms with the address of somebody's house in their country."""
    count = len(areas)
    by_country = {code: np.flatnonzero((people["country"] == code).to_numpy()) for code in words.COUNTRIES}
    homes = [int(random.choice(by_country[code])) if len(by_country[code]) else 0 for code in areas]
    there = people.select("street", "city", "region", "postcode", "area", "family")[homes]
    first = np.array(words.COMPANY_FIRST, dtype=object)[random.integers(0, len(words.COMPANY_FIRST), count)]
    first = np.where(random.random(count) < 0.5, there["family"].to_numpy(), first)
    trade = np.array([t for t, _ in words.COMPANY_TRADE], dtype=object)[
        random.integers(0, len(words.COMPANY_TRADE), count)
    ]
    forms = [
        words.COMPANY_FORM[code][int(n) % len(words.COMPANY_FORM[code])]
        for code, n in zip(areas, random.integers(0, 12, count).tolist(), strict=True)
    ]
    stem = pl.Series([fold(f"{f}-{t}") for f, t in zip(first, trade, strict=True)])
    frame = there.with_columns(stem=stem).with_columns(repeat=pl.int_range(pl.len()).over("stem"))
    domain = (
        frame.select(
            pl.col("stem") + pl.when(pl.col("repeat") > 0).then(pl.col("repeat").cast(pl.String)).otherwise(pl.lit(""))
        ).to_series()
        + ".example"
    )
    boxes = np.array(words.SHARED_INBOXES, dtype=object)[draw(random, count, len(words.SHARED_INBOXES), 1.4)]
    return there.drop("family", "area").with_columns(
        company=texts(first + " " + trade + " " + np.array(forms, dtype=object)),
        domain=domain,
        inbox=texts(boxes + "@") + domain,
        has_inbox=pl.Series(random.random(count) < 0.5),
        switchboard=texts(landlines(random, there["area"], shorter=2)),
    )


def _with_mailboxes(random: Random, people: pl.DataFrame, houses: pl.DataFrame) -> pl.DataFrame:
    """Adds e-mail addresses, mostly made of names; families of one mailbox use that of one of them, or a common one."""
    count = people.height
    parts = _mail_parts(people)
    now, other, second = (_addresses(random, parts) for _ in range(3))
    work = _work_addresses(random, parts, people)
    house = people["household_id"].to_numpy()
    first = np.searchsorted(house, house)
    head = first == np.arange(count)
    common = either(blank(count), head, "familie." + parts["family"] + "@" + _hosts(random, count))
    mail = _told_apart(pl.DataFrame({"now": now, "before": other, "second": second, "work": work, "common": common}))
    one_of_them = random.random(houses.height)[house] < 0.4
    common = either(mail["common"].gather(first), one_of_them, mail["now"].gather(first))
    shares = houses["shares_mailbox"].to_numpy()[house] & (random.random(count) < 0.75)
    empty = blank(count)
    changed, has_second = random.random(count) < 0.09, random.random(count) < 0.115
    return people.drop("work_domain", "work_inbox", "area", "area_before").with_columns(
        email=either(mail["now"], shares, common),
        email_before=either(empty, changed, mail["before"]),
        mail_on=pl.Series(np.where(changed, random.integers(FIRST_DAY, LAST_DAY, count), 0)),
        email_second=either(empty, has_second, mail["second"]),
        work_email=either(mail["work"], people["work_inbox"].is_not_null().to_numpy(), people["work_inbox"]),
        shares_mailbox=pl.Series(shares),
    )


def _mail_parts(people: pl.DataFrame) -> pl.DataFrame:
    """Names and years as they stand in e-mail addresses."""
    given, family = people["given"], people["family"]
    short = {name: fold(forms[0]) for name, forms in nicknames().items()}
    return pl.DataFrame(
        {
            "given": _folded(given),
            "family": _folded(family.str.split("-").list.first()),
            "nick": given.replace_strict(short, default=None, return_dtype=pl.String),
            "year": people["born"].dt.strftime("%Y"),
        }
    ).with_columns(pl.col("nick").fill_null(pl.col("given")))


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """Short forms of given names."""
    names = dict.fromkeys((*words.NICKNAMES, *words.SHORT_FORMS))
    own = {n: (words.NICKNAMES[n],) for n in words.NICKNAMES}
    return {n: tuple(dict.fromkeys((*own.get(n, ()), *words.SHORT_FORMS.get(n, ())))) for n in names}


def _folded(names: pl.Series) -> pl.Series:
    known = names.unique()
    return names.replace_strict(known, pl.Series([fold(n) for n in known], dtype=pl.String), return_dtype=pl.String)


def _hosts(random: Random, count: int) -> pl.Series:
    return texts(np.array(_MAIL_HOSTS, dtype=object)[draw(random, count, len(_MAIL_HOSTS), _HOST_SHARE)])


def _addresses(random: Random, parts: pl.DataFrame) -> pl.Series:
    """One private address for each person, by the patterns that people choose."""
    count = parts.height
    g, f, nick, year = (pl.col(c) for c in ("given", "family", "nick", "year"))
    number, low = pl.col("number").cast(pl.String), g.str.head(1)
    patterns = [
        *(g + "." + f, g + f, g + "_" + f, low + "." + f, low + f, f + "." + g),
        *(g + "." + f + year.str.tail(2), g + year.str.tail(2), nick + number, f + number, pl.col("fantasy") + number),
        g + "." + f + number,
    ]
    chosen = random.choice(len(patterns), count, p=_PATTERN_SHARE)
    fantasy = np.array(words.FANTASY, dtype=object)[random.integers(0, len(words.FANTASY), count)]
    drawn = parts.with_columns(
        pattern=pl.Series(chosen), number=pl.Series(random.integers(1, 1000, count)), fantasy=texts(fantasy)
    )
    local = pl.coalesce(pl.when(pl.col("pattern") == n).then(p) for n, p in enumerate(patterns))
    return drawn.select(local.alias("local")).to_series() + "@" + _hosts(random, count)


def _work_addresses(random: Random, parts: pl.DataFrame, people: pl.DataFrame) -> pl.Series:
    low, chance = parts["given"].str.head(1), random.random(parts.height)
    local = either(parts["given"] + "." + parts["family"], chance < 0.3, low + "." + parts["family"])
    return either(local, chance > 0.9, parts["family"]) + "@" + people["work_domain"]


def _told_apart(mail: pl.DataFrame) -> pl.DataFrame:
    """Puts a number to addresses that somebody else has taken, as their hosts make people do."""
    long = pl.concat([pl.DataFrame({"address": mail[c]}) for c in mail.columns])
    at = pl.col("address").str.split_exact("@", 1)
    long = long.with_columns(
        local=at.struct.field("field_0"), host=at.struct.field("field_1"), turn=pl.int_range(pl.len()).over("address")
    )
    numbered = pl.col("local") + (pl.col("turn") + 1).cast(pl.String) + "@" + pl.col("host")
    long = long.select(address=pl.when(pl.col("turn") > 0).then(numbered).otherwise("address"))
    # A number put to one address may make it another's that had it already.
    long = long.with_columns(turn=pl.int_range(pl.len()).over("address"))
    once_more = pl.when(pl.col("turn") > 0).then(pl.format("x{}{}", "turn", "address")).otherwise("address")
    long = long.select(address=pl.when(pl.col("address").is_not_null()).then(once_more))
    return pl.DataFrame(
        {c: long["address"][n * mail.height : (n + 1) * mail.height] for n, c in enumerate(mail.columns)}
    )
