"""A crowd: records of very many people in four systems, as hard to link as in life, and the truth about them.

For measuring linkage alone: how records look in the systems' exports is `exports/`'s, who the people are is
`crowd_people`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from sandbox import slips
from sandbox.crowd_people import (
    FIRST_DAY,
    LAST_DAY,
    Bools,
    Random,
    blank,
    draw,
    either,
    make_people,
    newcomers,
    nicknames,
    texts,
    with_change,
)
from sandbox.days import Ints, rng

SYSTEMS = ("crm", "shop", "helpdesk", "newsletter")
COLUMNS = (
    *("record_id", "source", "given_name", "family_name", "email", "phone", "company_name"),
    *("street", "city", "region", "postcode", "country", "birth_date", "created_at", "updated_at"),
)
#: What may set a record apart from the others of its person; `truth.kinds` has a bit for each, the first is 1.
KINDS = (
    *("another mailbox", "shared mailbox", "e-mail mistyped", "another phone", "shared phone", "phone mistyped"),
    *("nickname", "initial", "second given name", "given name mistyped", "names swapped", "one field for both names"),
    *("family name mistyped", "umlaut written otherwise", "half of a double name", "another family name"),
    *(
        "another address",
        "work address",
        "address written otherwise",
        "birth date wrong",
        "placeholder",
        "no full name",
    ),
)
#: How many records people have, by chance; three in ten of all records are a person's further ones.
RECORD_SHARE = (0.71, 0.19, 0.07, 0.02, 0.01)
SYSTEM_SHARE = np.array([0.22, 0.36, 0.16, 0.26])
SAME_SYSTEM_SHARE = 0.13
#: How often each system has a column filled, in the order of SYSTEMS.
FILLED = {
    "given_name": (0.95, 0.99, 0.82, 0.42),
    "family_name": (0.98, 0.995, 0.8, 0.34),
    "email": (0.89, 0.99, 0.95, 1.0),
    "phone": (0.74, 0.6, 0.34, 0.0),
    "company_name": (0.93, 0.45, 0.15, 0.0),
    "street": (0.6, 0.97, 0.04, 0.0),
    "country": (0.85, 1.0, 0.3, 0.25),
    "birth_date": (0.3, 0.16, 0.0, 0.05),
}
#: The column in which a difference shows.
SHOWS_IN = {
    "email": ("another mailbox", "shared mailbox", "e-mail mistyped"),
    "phone": ("another phone", "shared phone", "phone mistyped"),
    "given_name": ("nickname", "initial", "second given name", "given name mistyped"),
    "family_name": ("family name mistyped", "half of a double name", "another family name"),
    "street": ("another address", "work address", "address written otherwise"),
    "birth_date": ("birth date wrong",),
}
#: What is typed where a form insists on something.
PLACEHOLDERS = {
    "email": ("test@test.com", "noreply@example.com", "n/a", "keine@email.de", "a@a.de", "none@none.com"),
    "phone": ("0000000", "n/a", "+490000000", "123456", "0", "-", "+49123456789"),
    "given_name": ("n/a", "Test", "Unbekannt", "-", "X"),
    "family_name": ("n/a", "Test", "Unbekannt", "Kunde", "-"),
    "company_name": ("privat", "-", "n/a", "keine"),
    "street": ("-", "n/a", "unbekannt", "x"),
}
NO_BIRTH_DATE = ("1900-01-01", "1970-01-01", "1900-01-01")
_UTC = pl.Datetime("us", "UTC")
_PLACEHOLDER_SHARE = {"email": 0.12, "phone": 0.12, "given_name": 0.04, "family_name": 0.04, "company_name": 0.03}


@dataclass(frozen=True)
class Crowd:
    """Records and the truth about them.

    Attributes:
        records: COLUMNS; one row per record, in no order. `birth_date` is a date, the times are UTC, all else is text.
        truth: record_id, person_id, household_id, firm_id (null for those who work for none), kinds (bits of KINDS).
        people: What is true of each person, from `make_people`; for the next night.
        day: The day of the records, in days since 1970.
    """

    records: pl.DataFrame
    truth: pl.DataFrame
    people: pl.DataFrame = field(repr=False)
    day: int = LAST_DAY


@dataclass
class _Draft:
    """Records in the making: whose they are, where and when they were written, and what went wrong."""

    random: Random
    people: pl.DataFrame
    person: Ints
    system: Ints
    day: Ints
    kinds: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = np.zeros(len(self.person), dtype=np.uint32)

    def of(self, column: str) -> pl.Series:
        """A column of the people, by record."""
        return self.people[column].gather(self.person)

    def chance(self, share: float | tuple[float, ...]) -> Bools:
        """Rows chosen with a probability, or with one for each system."""
        limit = np.array(share)[self.system] if isinstance(share, tuple) else share
        hit: Bools = self.random.random(len(self.person)) < limit
        return hit

    def mark(self, kind: str, where: Bools) -> None:
        """Notes what sets records apart."""
        self.kinds[where] |= np.uint32(1 << KINDS.index(kind))

    def unmark(self, kind: str, where: Bools) -> None:
        """Takes notes back."""
        self.kinds[where] &= ~np.uint32(1 << KINDS.index(kind))

    def marked(self, kind: str) -> Bools:
        """Rows with a note."""
        noted: Bools = (self.kinds & np.uint32(1 << KINDS.index(kind))) > 0
        return noted

    def mistype(self, column: pl.Series, share: float, kind: str, *, digits: bool = False, start: int = 0) -> pl.Series:
        """Mistypes a share of a column and notes it."""
        column, hit = slips.typing(self.random, column, share, digits=digits, start=start)
        self.mark(kind, hit)
        return column


def make_crowd(records: int, seed: int) -> Crowd:
    """A crowd of so many records.

    Args:
        records: How many; a million takes about a minute.
        seed: Another seed gives another crowd, the same one the same.
    """
    random = rng(seed, "crowd")
    people = make_people(seed, max(1, round(0.73 * records)))
    many = 1 + np.searchsorted(np.cumsum(RECORD_SHARE), random.random(people.height) * sum(RECORD_SHARE))
    many[many == len(RECORD_SHARE)] += random.integers(0, 4, int((many == len(RECORD_SHARE)).sum()))
    person = np.repeat(np.arange(people.height), many)[:records]
    day = random.integers(FIRST_DAY, LAST_DAY, len(person))
    written = _write(_Draft(random, people, person, _systems(random, person), day), first=0)
    return Crowd(*written, people)


#: What a night brings, as shares of the records that are new or changed.
NIGHT_SHARE = {"people": 0.25, "records": 0.3, "mail": 0.2, "home": 0.18, "name": 0.07}
_CHANGES = {
    "mail": (("email",), "another mailbox"),
    "home": (("street", "city", "region", "postcode"), "another address"),
    "name": (("family_name",), "another family name"),
}


def next_night(crowd: Crowd, seed: int, share: float = 0.01) -> Crowd:
    """The crowd a day later: a share of its records are new or changed, the others are as they were.

    New are records of new people and further ones of known people; changed are the mailbox, the address or the family
    name in one record of a person, whose other records tell nothing of it yet.

    Args:
        crowd: The crowd of the day before.
        seed: Another seed brings other changes.
        share: How many records are new or changed, of those of the day before.
    """
    random = rng(seed, f"crowd night {crowd.day}")
    counts = {what: round(part * share * crowd.records.height) for what, part in NIGHT_SHARE.items()}
    records, truth, people = crowd.records, crowd.truth, crowd.people
    free = random.permutation(records.height)
    for change in _CHANGES:
        rows, free = _changeable(records, truth, people, change, free, counts[change])
        people = with_change(random, people, truth["person_id"].gather(rows).to_numpy(), change, crowd.day)
        records, truth = _changed(records, truth, people, change, rows, crowd.day)
    known = random.choice(people.height, counts["records"], replace=counts["records"] > people.height)
    people = pl.concat([people, newcomers(int(random.integers(2**31)), people, counts["people"])])
    person = np.concatenate([known, np.arange(crowd.people.height, people.height)])
    system = random.choice(len(SYSTEMS), len(person), p=SYSTEM_SHARE)
    draft = _Draft(random, people, person, system, np.full(len(person), crowd.day))
    more, their_truth = _write(draft, first=records.height)
    return Crowd(pl.concat([records, more]), pl.concat([truth, their_truth]), people, crowd.day + 1)


def _changeable(
    records: pl.DataFrame, truth: pl.DataFrame, people: pl.DataFrame, change: str, free: Ints, count: int
) -> tuple[Ints, Ints]:
    """Rows to change, of different people, among those that are free; and which are free then."""
    column, own = {"mail": ("email",) * 2, "home": ("street",) * 2, "name": ("family_name", "family")}[change]
    person = truth["person_id"].gather(free)
    # What is somebody else's, too, or written otherwise than it is stays as it is.
    true = (records[column].gather(free) == people[own].gather(person)).fill_null(False)
    alone = ~people["shares_mailbox"].gather(person) if change == "mail" else True
    rows = np.flatnonzero((true & alone & person.is_first_distinct()).to_numpy())[:count]
    return free[rows], np.delete(free, rows)


def _changed(
    records: pl.DataFrame, truth: pl.DataFrame, people: pl.DataFrame, change: str, rows: Ints, day: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records with what is true of their people now, at some rows."""
    columns, kind = _CHANGES[change]
    person = truth["person_id"].gather(rows)
    new = {c: people["family" if c == "family_name" else c].gather(person) for c in columns}
    if "region" in new:
        new["region"] = either(new["region"], records["region"].gather(rows).is_null().to_numpy(), blank(len(rows)))
    new["updated_at"] = pl.from_epoch(pl.Series([day * 86_400] * len(rows), dtype=pl.Int64), "s").cast(_UTC)
    bits = truth["kinds"].gather(rows) | (1 << KINDS.index(kind))
    return (
        records.with_columns(records[c].scatter(rows, values).alias(c) for c, values in new.items()),
        truth.with_columns(truth["kinds"].scatter(rows, bits.cast(pl.UInt32)).alias("kinds")),
    )


def _systems(random: Random, person: Ints) -> Ints:
    """The system of each record; a person's records are in different ones, mostly. Records are in order of persons."""
    count = len(person)
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    turn = np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count)))
    # The largest of exponential races come first: a draw without replacement for each person.
    races = random.exponential(size=(len(starts), len(SYSTEMS))) / SYSTEM_SHARE
    order = np.argsort(races, axis=1)[np.repeat(np.arange(len(starts)), np.diff(np.append(starts, count)))]
    again = (turn > 0) & (random.random(count) < SAME_SYSTEM_SHARE)
    systems: Ints = order[np.arange(count), np.where(again, 0, turn % len(SYSTEMS))]
    return systems


def _write(draft: _Draft, first: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records in no order, and their truth; numbers of records start after `first`."""
    at_work = draft.of("company").is_not_null().to_numpy() & draft.chance((0.85, 0.4, 0.5, 0.25))
    given, family = _names(draft)
    columns = {
        "given_name": given,
        "family_name": family,
        "email": _emails(draft, at_work),
        "phone": _phones(draft, at_work),
        "company_name": draft.of("company"),
        **_addresses(draft, at_work),
        "birth_date": _births(draft),
    }
    columns = _left_out(draft, columns, at_work)
    count, random = len(draft.person), draft.random
    number = 100_000_000 + first + random.permutation(count)
    source = pl.Series(np.array(SYSTEMS)[draft.system])
    records = pl.DataFrame({"record_id": number, "source": source, **columns}).with_columns(
        record_id=pl.format("contact:{}:{}", "source", "record_id"), **_times(draft)
    )
    truth = pl.DataFrame({"record_id": records["record_id"], "person_id": draft.of("person_id")}).with_columns(
        household_id=draft.of("household_id"), firm_id=draft.of("firm_id"), kinds=pl.Series(draft.kinds)
    )
    order = random.permutation(count)
    return records.select(COLUMNS)[order], truth[order]


def _times(draft: _Draft) -> dict[str, pl.Expr]:
    """Written on its day; made on that or an earlier one."""
    seconds = draft.day * 86_400 + draft.random.integers(0, 86_400, len(draft.day))
    age = np.where(draft.chance(0.4), draft.random.integers(0, 400 * 86_400, len(draft.day)), 0)
    return {
        "created_at": pl.lit(pl.from_epoch(pl.Series(seconds - age), "s").cast(_UTC)),
        "updated_at": pl.lit(pl.from_epoch(pl.Series(seconds), "s").cast(_UTC)),
    }


def _names(draft: _Draft) -> tuple[pl.Series, pl.Series]:
    given, family = draft.of("given"), draft.of("family")
    before = draft.of("family_before")
    was = before.is_not_null().to_numpy() & (draft.day < draft.of("renamed_on").to_numpy())
    family = either(family, was, before)
    draft.mark("another family name", was)
    given = _called(draft, given)
    given = draft.mistype(given, 0.014, "given name mistyped")
    double = family.str.contains("-").to_numpy() & draft.chance(0.3)
    family = either(family, double, family.str.split("-").list.get(int(draft.random.integers(2)), null_on_oob=True))
    draft.mark("half of a double name", double)
    for write, share in ((slips.transcribed, 0.17), (slips.stripped, 0.04)):
        written = draft.chance(share)
        changed = (written & ((write(family) != family) | (write(given) != given)).to_numpy()).astype(bool)
        given, family = either(given, written, write(given)), either(family, written, write(family))
        draft.mark("umlaut written otherwise", changed)
    family = draft.mistype(family, 0.018, "family name mistyped")
    upper, lower = draft.chance(0.012), draft.chance(0.02)
    given, family = (
        either(either(c, upper, c.str.to_uppercase()), lower, c.str.to_lowercase()) for c in (given, family)
    )
    return _fields(draft, given, family)


def _called(draft: _Draft, given: pl.Series) -> pl.Series:
    """Given names as people are called, or as they write them."""
    short = nicknames()
    turn = draft.random.integers(0, 12, len(given))
    forms = [
        given.replace_strict({n: f[k % len(f)] for n, f in short.items()}, default=None, return_dtype=pl.String)
        for k in range(2)
    ]
    nick = either(forms[0], turn % 2 == 1, forms[1])
    hit = draft.chance((0.12, 0.07, 0.2, 0.2)) & nick.is_not_null().to_numpy()
    called = either(given, hit, nick)
    draft.mark("nickname", hit)
    second = draft.chance((0.03, 0.015, 0.005, 0.0)) & ~hit
    called = either(called, second, given + " " + draft.of("second_given"))
    draft.mark("second given name", second)
    initial = draft.chance((0.035, 0.015, 0.05, 0.01)) & ~hit & ~second
    called = either(called, initial, given.str.head(1) + np.where(turn[0] % 2, ".", ""))
    draft.mark("initial", initial)
    return called


def _fields(draft: _Draft, given: pl.Series, family: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Names in the fields that people put them into."""
    swapped = draft.chance((0.008, 0.014, 0.012, 0.02))
    draft.mark("names swapped", swapped)
    given, family = either(given, swapped, family), either(family, swapped, given)
    one = draft.chance((0.006, 0.004, 0.03, 0.03)) & ~swapped
    draft.mark("one field for both names", one)
    whole, nothing = given + " " + family, blank(len(given))
    into_given = one & draft.chance(0.4)
    given = either(either(given, one, nothing), into_given, whole)
    return given, either(either(family, one & ~into_given, whole), into_given, nothing)


def _emails(draft: _Draft, at_work: Bools) -> pl.Series:
    """One of the mailboxes that the person has that day."""
    current, before, second, work = (draft.of(c) for c in ("email", "email_before", "email_second", "work_email"))
    shares, inbox = draft.of("shares_mailbox").to_numpy(), _shared(draft.people["work_email"]).gather(draft.person)
    old = before.is_not_null().to_numpy() & (draft.day < draft.of("mail_on").to_numpy())
    other = second.is_not_null().to_numpy() & draft.chance((0.28, 0.28, 0.3, 0.4))
    work_mail = at_work & work.is_not_null().to_numpy() & draft.chance((0.8, 0.45, 0.8, 0.35))
    draft.mark("another mailbox", old | other | work_mail)
    draft.mark("shared mailbox", np.where(work_mail, inbox.fill_null(False).to_numpy(), shares & ~old & ~other))
    email = either(either(either(current, old, before), other, second), work_mail, work)
    upper = draft.chance(0.015)
    email = either(email, upper, email.str.to_titlecase())
    return draft.mistype(email, 0.013, "e-mail mistyped")


def _shared(mailboxes: pl.Series) -> pl.Series:
    return mailboxes.is_duplicated() & mailboxes.is_not_null()


def _phones(draft: _Draft, at_work: Bools) -> pl.Series:
    """A mobile, the household's landline or a number at work."""
    mobile, before, line, work = (draft.of(c) for c in ("mobile", "mobile_before", "landline", "work_phone"))
    old = before.is_not_null().to_numpy() & (draft.day < draft.of("phone_on").to_numpy())
    has_line, has_mobile = line.is_not_null().to_numpy(), mobile.is_not_null().to_numpy()
    home = has_line & (~has_mobile | draft.chance((0.36, 0.25, 0.3, 0.3)))
    office = at_work & work.is_not_null().to_numpy() & draft.chance(0.85)
    phone = either(either(either(mobile, old, before), home, line), office, work)
    draft.mark("another phone", old | office | (home & has_mobile))
    shared = _shared(draft.people["work_phone"]).gather(draft.person).fill_null(False).to_numpy()
    draft.mark(
        "shared phone",
        np.where(office, shared, home & _shared(draft.people["landline"]).gather(draft.person).to_numpy()),
    )
    return draft.mistype(phone, 0.008, "phone mistyped", digits=True, start=5)


def _addresses(draft: _Draft, at_work: Bools) -> dict[str, pl.Series]:
    """The home, the former home or the firm's address, as systems and people write it."""
    moved = draft.day < draft.of("moved_on").to_numpy()
    firm = at_work & draft.of("work_street").is_not_null().to_numpy() & draft.chance((0.85, 0.4, 0.8, 0.5))
    draft.mark("another address", moved & ~firm)
    draft.mark("work address", firm)
    found = {}
    for column in ("street", "city", "region", "postcode"):
        home = either(draft.of(column), moved, draft.of(f"{column}_before"))
        found[column] = either(home, firm, draft.of(f"work_{column}"))
    street = found["street"]
    habit = draft.random.random(len(street))
    shorter = street.str.replace("straße", "str.", literal=True).str.replace(" Street", " St", literal=True)
    written = either(street, habit < 0.22, shorter)
    written = either(written, (habit > 0.22) & (habit < 0.32), slips.transcribed(street))
    written = either(written, (habit > 0.32) & (habit < 0.34), street.str.replace(r"\s*\d+\w?\s*", ""))
    draft.mark("address written otherwise", (written != street).fill_null(False).to_numpy())
    found["street"] = draft.mistype(written, 0.015, "address written otherwise")
    city = either(found["city"], draft.chance(0.03), slips.transcribed(found["city"]))
    city = either(city, draft.chance(0.2), city.replace({"Frankfurt am Main": "Frankfurt", "Halle (Saale)": "Halle"}))
    found["city"] = draft.mistype(city, 0.008, "address written otherwise")
    found["postcode"] = draft.mistype(found["postcode"], 0.006, "address written otherwise", digits=True)
    return {**found, "country": draft.of("country")}


def _births(draft: _Draft) -> pl.Series:
    """Birth dates, some with day and month swapped, or a wrong day or year."""
    born, wrong = draft.of("born"), draft.chance(0.025)
    kind = draft.random.integers(0, 4, len(born))
    years = np.where(kind == 1, draft.random.choice([-10, -1, 1, 10], len(born)), 0)
    days = np.where(kind == 2, draft.random.integers(1, 9, len(born)), 0)
    parts = pl.DataFrame({"born": born, "years": years, "days": days})
    day, month = pl.col("born").dt.day(), pl.col("born").dt.month()
    swapped = pl.when(day <= 12).then(pl.date(pl.col("born").dt.year(), day, month)).otherwise("born")
    turned = parts.select(swapped.alias("born"))["born"]
    moved = parts.select(
        pl.col("born").dt.offset_by(pl.format("{}y", "years")).dt.offset_by(pl.format("{}d", "days")).alias("born")
    )["born"]
    slipped = either(either(born, wrong, moved), wrong & (kind == 0), turned)
    draft.mark("birth date wrong", (slipped != born).to_numpy())
    return slipped


def _left_out(draft: _Draft, columns: dict[str, pl.Series], at_work: Bools) -> dict[str, pl.Series]:
    """Leaves out what the systems do not ask for or people do not tell, and puts placeholders into some of the gaps."""
    count = len(draft.person)
    nothing = blank(count)
    has = {name: draft.chance(FILLED[name]) for name in FILLED}
    # Who leaves out the given name seldom tells the family name.
    has["family_name"] |= has["given_name"] & draft.chance((0.9, 0.9, 0.9, 0.5))
    has["company_name"] &= at_work
    lone = ~has["family_name"] & ~has["phone"]
    has["email"] |= lone | (~has["phone"] & ~has["street"] & ~has["birth_date"] & draft.chance(0.8))
    place = dict.fromkeys(("street", "city", "postcode"), has["street"])
    place |= {"region": has["street"] & draft.chance((0.5, 0.35, 0.5, 0.5)), "country": has["country"] | has["street"]}
    out = {name: either(c, ~(has | place)[name], nothing) for name, c in columns.items() if name != "birth_date"}
    out["birth_date"] = either(columns["birth_date"], ~has["birth_date"], pl.Series([None] * count, dtype=pl.Date))
    moved_names = draft.marked("names swapped") | draft.marked("one field for both names")
    for name, kinds in SHOWS_IN.items():
        unseen = out[name].is_null().to_numpy() & ~(moved_names & name.endswith("_name"))
        for kind in kinds:
            draft.unmark(kind, unseen)
    incomplete = (out["given_name"].is_null() | out["family_name"].is_null()).to_numpy()
    draft.mark("no full name", incomplete)
    return _with_placeholders(draft, out)


def _with_placeholders(draft: _Draft, columns: dict[str, pl.Series]) -> dict[str, pl.Series]:
    asked = draft.system != SYSTEMS.index("newsletter")
    for name, values in PLACEHOLDERS.items():
        empty = columns[name].is_null().to_numpy()
        hit = asked & np.where(empty, draft.chance(_PLACEHOLDER_SHARE.get(name, 0.01)), draft.chance(0.003))
        if name == "email":
            hit &= columns["family_name"].is_not_null().to_numpy()
        chosen = np.array(values, dtype=object)[draw(draft.random, len(hit), len(values), 0.8)]
        columns[name] = either(columns[name], hit, texts(chosen))
        draft.mark("placeholder", hit)
    hit = np.where(
        columns["birth_date"].is_null().to_numpy(), draft.chance((0.02, 0.005, 0.0, 0.0)), draft.chance(0.02)
    )
    days = pl.Series(np.array(NO_BIRTH_DATE)[draft.random.integers(0, 3, len(hit))]).str.to_date()
    columns["birth_date"] = either(columns["birth_date"], hit, days)
    draft.mark("placeholder", hit)
    return columns
