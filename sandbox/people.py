"""Who exists: the people and firms of the demo company, and which of them are hard to tell apart.

One row per real person. How each system spells them belongs in `exports/`.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import polars as pl

from sandbox import words
from sandbox.days import Ints, rng

BUSINESS_SHARE = 0.07
GUEST_SHARE = 0.17
FAMILY_MAIL_SHARE = 0.012
FAMILY_PHONE_SHARE = 0.012
_CONSUMER_DOMAINS = ("example.com", "example.org", "example.net", "post.example", "mail.example")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ı": "i"})


def fold(text: str) -> str:
    """Lower-case ASCII letters of a name, for e-mail addresses and domains."""
    flat = unicodedata.normalize("NFKD", text.translate(_UMLAUTS)).encode("ascii", "ignore").decode()
    return "".join(c for c in flat.lower() if c.isalnum())


def make_people(seed: int, country: Ints, joined: Ints) -> tuple[pl.DataFrame, pl.DataFrame]:
    """People and the firms that some of them work for.

    Args:
        seed: The world's seed.
        country: For each person the position in `words.COUNTRIES`.
        joined: For each person the day they first had to do with the business; negative before the two years.

    Returns:
        People (person_id, names, addresses, contact details, is_business, company, has_account …) and firms.
    """
    random = rng(seed, "people")
    count = len(country)
    is_business = random.random(count) < BUSINESS_SHARE
    firms, firm_of = _firms(seed, country, is_business)
    frame = pl.DataFrame(
        {
            "person_id": [f"P{i:07d}" for i in range(1, count + 1)],
            "country": pl.Series(np.array(words.COUNTRIES)[country]),
            "joined": joined,
            "is_business": is_business,
            "firm": firm_of,
            "has_account": is_business | (random.random(count) >= GUEST_SHARE),
            "given": _names(random, country, words.GIVEN),
            "family": _names(random, country, words.FAMILY),
            "phone": _phones(random, country),
            "street": _streets(random, country),
            "born": _birthdays(random, count),
        }
    ).hstack(_places(random, country))
    frame = _as_families(random, frame)
    return _with_addresses(random, frame, firms), firms


def _names(random: np.random.Generator, country: Ints, lists: dict[str, list[str]]) -> pl.Series:
    names = np.empty(len(country), dtype=object)
    for position, code in enumerate(words.COUNTRIES):
        here = np.flatnonzero(country == position)
        # A few names are common and many are rare, as in life.
        rank = (len(lists[code]) * random.random(len(here)) ** 1.35).astype(int)
        names[here] = np.array(lists[code], dtype=object)[rank]
    return pl.Series(names.tolist(), dtype=pl.String)


def _places(random: np.random.Generator, country: Ints) -> pl.DataFrame:
    city, region, postcode = (np.empty(len(country), dtype=object) for _ in range(3))
    for position, code in enumerate(words.COUNTRIES):
        here = np.flatnonzero(country == position)
        chosen = random.integers(0, len(words.CITIES[code]), len(here))
        for number, (name, area, first, span) in enumerate(words.CITIES[code]):
            at = here[chosen == number]
            offsets = random.integers(0, span, len(at))
            city[at], region[at] = name, area
            postcode[at] = [postcode_of(code, name, first + int(o)) for o in offsets]
    return pl.DataFrame({"city": city.tolist(), "region": region.tolist(), "postcode": postcode.tolist()})


def postcode_of(code: str, city: str, number: int) -> str:
    """A postcode as the country writes them, of a number."""
    if code in ("DE", "FR"):
        return f"{number:05d}"
    if code == "NL":
        return f"{number} {'ABCDEGHJ'[number % 8]}{'KLMNPRST'[number % 7]}"
    if code == "GB":
        return f"{words.GB_AREA.get(city, city[:2].upper())}{number} {number}{'ABDEF'[number % 5]}{'GHJLN'[number % 4]}"
    return str(number)


def _streets(random: np.random.Generator, country: Ints) -> pl.Series:
    streets = np.empty(len(country), dtype=object)
    for position, code in enumerate(words.COUNTRIES):
        here = np.flatnonzero(country == position)
        chosen = np.array(words.STREETS[code], dtype=object)[random.integers(0, len(words.STREETS[code]), len(here))]
        numbers = random.integers(1, 140, len(here)).astype(str).astype(object)
        streets[here] = numbers + " " + chosen if code in ("FR", "GB") else chosen + " " + numbers
    return pl.Series(streets.tolist(), dtype=pl.String)


def _phones(random: np.random.Generator, country: Ints) -> pl.Series:
    """A number of their own for 72 % of people, in E.164.

    Germany's first numbers come from the ranges that its regulator keeps free for fiction.
    """
    phones = np.full(len(country), None, dtype=object)
    mobile = {"DE": "+491512", "AT": "+43664", "CH": "+4179", "FR": "+336", "NL": "+316", "GB": "+4474"}
    digits = {"DE": 7, "AT": 7, "CH": 7, "FR": 8, "NL": 8, "GB": 8}
    fiction = ("+493023125", "+496990009", "+494066969", "+498999998", "+492214710")
    for position, code in enumerate(words.COUNTRIES):
        here = np.flatnonzero((country == position) & (random.random(len(country)) < 0.72))
        size = 10 ** digits[code]
        # Multiplying by a number coprime to the size scatters them without repeats. The offset keeps the subscriber
        # number from starting with zeros, which some plans do not allow.
        base = size // 5
        scattered = base + (np.arange(len(here)) * 7919 + int(random.integers(0, size // 2))) % (size // 2)
        numbers = [f"{mobile[code]}{n:0{digits[code]}d}" for n in scattered.tolist()]
        if code == "DE":
            invented = [f"{prefix}{n:03d}" for n in range(1000) for prefix in fiction][: len(here)]
            numbers[: len(invented)] = invented
        phones[here] = numbers
    return pl.Series(phones.tolist(), dtype=pl.String)


def _birthdays(random: np.random.Generator, count: int) -> pl.Series:
    days = random.integers(-12_000, 13_500, count)
    return pl.Series(days.astype("datetime64[D]")).cast(pl.Date)


def _firms(seed: int, country: Ints, is_business: np.ndarray) -> tuple[pl.DataFrame, pl.Series]:
    """Firms of about two people each, in the country of their people."""
    random = rng(seed, "firms")
    firm_of = np.full(len(country), -1, dtype=np.int64)
    rows: list[dict[str, object]] = []
    taken: dict[str, int] = {}
    for position, code in enumerate(words.COUNTRIES):
        staff = np.flatnonzero((country == position) & is_business)
        many = max(1, round(len(staff) / 2.2))
        firm_of[staff] = len(rows) + random.integers(0, many, len(staff))
        for _ in range(many):
            rows.append(_firm(random, code, len(rows), taken))
    links = pl.Series(firm_of)
    return pl.DataFrame(rows), links.replace(-1, None)


def _firm(random: np.random.Generator, code: str, number: int, taken: dict[str, int]) -> dict[str, object]:
    first = words.COMPANY_FIRST[int(random.integers(len(words.COMPANY_FIRST)))]
    trade, industry = words.COMPANY_TRADE[int(random.integers(len(words.COMPANY_TRADE)))]
    city, region, base, _ = words.CITIES[code][int(random.integers(len(words.CITIES[code])))]
    repeat = taken.get(first + trade, 0)
    taken[first + trade] = repeat + 1
    name = f"{first} {trade}" + (f" {city}" if repeat else "") + (f" {repeat}" if repeat > 1 else "")
    form = words.COMPANY_FORM[code][int(random.integers(len(words.COMPANY_FORM[code])))]
    employees = int(5 * (1 + random.pareto(1.2)))
    return {
        "company_id": f"C{number + 1:06d}",
        "name": f"{name} {form}",
        "domain": f"{fold(first)}-{fold(trade)}{repeat or ''}.example",
        "industry": industry,
        "country": code,
        "city": city,
        "region": region,
        "postcode": postcode_of(code, city, base),
        "street": f"{words.STREETS[code][int(random.integers(6))]} {int(random.integers(1, 90))}",
        "employees": min(employees, 4000),
        "revenue_minor": min(employees, 4000) * int(random.integers(60_000, 180_000)) * 100,
        "has_shared_inbox": bool(random.random() < 0.06),
    }


def _as_families(random: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
    """Makes some people the relative of another: same name and address, and one mailbox or telephone for both."""
    private = np.flatnonzero(~frame["is_business"].to_numpy())
    shuffled = random.permutation(private)
    mail = round(FAMILY_MAIL_SHARE * len(private))
    phone = round(FAMILY_PHONE_SHARE * len(private))
    relatives = shuffled[: mail + phone]
    heads = shuffled[mail + phone : 2 * (mail + phone)]
    relative_of = np.arange(frame.height)
    relative_of[relatives] = heads
    kin = pl.Series(relative_of)
    shares_mail, shares_phone = np.zeros(frame.height, bool), np.zeros(frame.height, bool)
    shares_mail[relatives[:mail]] = True
    shares_phone[relatives[mail:]] = True
    # The address decides where an order goes, so a relative's country stays that of the person's own orders.
    same_country = pl.Series(frame["country"].to_numpy() == frame["country"].gather(kin).to_numpy())
    moved = same_country & (kin != pl.Series(np.arange(frame.height)))
    copied = ["family", "street", "city", "region", "postcode"]
    return frame.with_columns(
        *(pl.when(moved).then(frame[c].gather(kin)).otherwise(pl.col(c)).alias(c) for c in copied),
        phone=pl.when(moved & pl.Series(shares_phone)).then(frame["phone"].gather(kin)).otherwise(pl.col("phone")),
        mailbox_of=pl.when(moved & pl.Series(shares_mail)).then(kin).otherwise(pl.int_range(pl.len())),
    ).with_columns(
        # One account per mailbox: whoever shares another's orders as a guest.
        has_account=pl.col("has_account") & (pl.col("mailbox_of") == pl.int_range(pl.len()))
    )


def _with_addresses(random: np.random.Generator, frame: pl.DataFrame, firms: pl.DataFrame) -> pl.DataFrame:
    """Adds `email` and a second address `email2` that some systems know instead."""
    local = {name: fold(name) for lists in (words.GIVEN, words.FAMILY) for names in lists.values() for name in names}
    domain = np.array(_CONSUMER_DOMAINS, dtype=object)[random.integers(0, len(_CONSUMER_DOMAINS), frame.height)]
    inbox = firms.filter("has_shared_inbox")["domain"].to_list()
    firm_domain = firms["domain"].gather(frame["firm"])
    named = frame.with_columns(
        domain=pl.coalesce(firm_domain, pl.Series(domain.tolist(), dtype=pl.String)),
        local=pl.col("given").replace_strict(local) + "." + pl.col("family").replace_strict(local),
    ).with_columns(repeat=pl.int_range(pl.len()).over("local", "domain"))
    suffix = pl.when(pl.col("repeat") > 0).then(pl.col("repeat").cast(pl.String)).otherwise(pl.lit(""))
    named = named.with_columns(email=pl.col("local") + suffix + "@" + pl.col("domain"))
    shared = pl.col("domain").is_in(inbox)
    return (
        named.with_columns(email=pl.when(shared).then("info@" + pl.col("domain")).otherwise("email"))
        .with_columns(email=pl.col("email").gather(pl.col("mailbox_of")))
        .with_columns(
            email2=pl.col("family").replace_strict(local)
            + ".privat"
            + pl.col("person_id").str.slice(1).str.strip_chars_start("0")
            + "@example.net"
        )
        .drop("local", "domain", "repeat")
    )


def who_shares(people: pl.DataFrame) -> pl.DataFrame:
    """Pairs of people who share what is one person's elsewhere: what it is, the ids of both, whether names agree."""
    home = ["family", "street", "postcode"]
    kinds = {
        "inbox of a firm": (["email"], pl.col("email").str.starts_with("info@")),
        "mailbox and home": (["email", *home], ~pl.col("is_business")),
        "telephone and home": (["phone", *home], ~pl.col("is_business")),
    }
    pairs = []
    for kind, (keys, which) in kinds.items():
        some = people.filter(which).drop_nulls(keys).select("person_id", "given", *keys)
        both = some.join(some, on=keys).filter(pl.col("person_id") < pl.col("person_id_right"))
        alike = (pl.col("given") == pl.col("given_right")).alias("are_namesakes")
        pairs.append(both.select("person_id", alike, kind=pl.lit(kind), other_id="person_id_right"))
    return pl.concat(pairs)
