"""Cleans one batch of mapped rows: a rule per semantic type, then the contract's limits; no row is ever lost.

Pure: a frame in, frames out. Reading the sources and writing the tables is the business of load.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from transforms.clean import codes, contact, names, numbers, phones, text, times
from transforms.clean.base import REJECTIONS, CleanContext, Job, Mended, Outcome, Work, as_text, put
from transforms.clean.formats import Formats, sniff_formats
from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract

Rule = Callable[[pl.Series, Job], Outcome]

#: The cleaning rule of each semantic type.
RULES: dict[str, Rule] = {
    "boolean": codes.boolean_rule,
    "category": text.category_rule,
    "city": names.place_rule,
    "company_name": text.line_rule,
    "country": codes.country_rule,
    "currency": codes.currency_rule,
    "date": times.date_rule,
    "domain": contact.domain_rule,
    "email": contact.email_rule,
    "id": text.id_rule,
    "integer": numbers.integer_rule,
    "json": text.json_rule,
    "label": text.label_rule,
    "language": codes.language_rule,
    "money": numbers.decimal_rule,
    "percent": numbers.decimal_rule,
    "person_name": names.person_rule,
    "phone": phones.phone_rule,
    "postcode": text.postcode_rule,
    "quantity": numbers.decimal_rule,
    "rate": numbers.decimal_rule,
    "region": text.line_rule,
    "sku": text.sku_rule,
    "street": text.line_rule,
    "text": text.text_rule,
    "timestamp": times.timestamp_rule,
    "url": contact.url_rule,
}

_LONGEST_EXAMPLE = 200
#: Of an issue the first distinct values are shown, among those of so many rows.
_EXAMPLES, EXAMPLE_ROWS = 5, 100
_SYSTEM = {c.name: c for c in SYSTEM_COLUMNS}
#: Of the system columns, these come with the row and are cleaned like any other.
_GIVEN = tuple(_SYSTEM[name] for name in ("source_updated_at", "is_deleted"))
_STORED = tuple(name for name in _SYSTEM if name != "cleaned_at")
_HASH_SEED = 20_240_101

#: Hashes of what the mapping gave, by which rows of one id are told apart.
HASHES = ("hash_one", "hash_two")
_PLACE = ("source_file", "source_row")

ISSUE_SCHEMA = {
    "column_name": pl.String,
    "kind": pl.String,
    "reason": pl.String,
    "row_count": pl.Int64,
    "examples": pl.String,
}
_EXAMPLE_ORDER = ("source_id", *HASHES)
EXAMPLE_SCHEMA = {
    "column_name": pl.String,
    "reason": pl.String,
    "source_id": pl.String,
    "hash_one": pl.UInt64,
    "hash_two": pl.UInt64,
    "before": pl.String,
    "after": pl.String,
}

#: Column and reason.
Issue = tuple[str, str]


@dataclass(frozen=True)
class Cleaned:
    """A cleaned batch: every row is either accepted or quarantined.

    Attributes:
        accepted: contract columns in their types, then the system columns but for cleaned_at.
        quarantined: source, source_id, reasons, row (JSON), source_file, source_row, and source_updated_at.
        is_bad: of every row that came in, whether it is quarantined.
        notes: of every row that came in, its issues as `column:reason,column:reason`; null where it has none.
        examples: of each issue the first rows, ordered by source_id and hashes, with the value before and after.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    is_bad: pl.Series
    notes: pl.Series
    examples: pl.DataFrame

    @property
    def issues(self) -> pl.DataFrame:
        """What became of this batch, as meta.cleaning_issue counts it."""
        return issue_rows(count_issues(self.notes.value_counts(name="count").iter_rows()), self.examples)


@dataclass
class _Cell:
    """A column under way: what the source said, and what became of it."""

    column: Column
    before: pl.Series
    values: pl.Series
    reasons: pl.Series | None
    asides: pl.Series | None


def clean_batch(
    frame: pl.DataFrame, contract: Contract, context: CleanContext, formats: Formats | None = None
) -> Cleaned:
    """Clean mapped rows as the contract's semantic types say.

    Args:
        frame: `source`, `source_id` and any further contract columns, of any type; optionally source_updated_at,
            is_deleted, extra, source_file, source_row, hash_one, hash_two.
        formats: evidence from the whole column for ambiguous numbers and dates. Without it this batch is taken as the
            whole; give it wherever a table comes in several batches.
    """
    evidence = sniff_formats(frame, contract) if formats is None else formats
    cells = _clean_columns(frame, contract, context, evidence)
    _settle_currencies(cells, contract)
    _join_names(cells)
    failures = list(_failures(cells, contract))
    is_bad = _any([f.where for f in failures], frame.height)
    notes = [*_notes(cells, failures)]
    return Cleaned(
        accepted=_accepted(frame, cells, _original(cells)).filter(~is_bad),
        quarantined=_quarantined(frame, cells, failures, is_bad),
        is_bad=is_bad,
        notes=_told(notes, frame.height),
        examples=_examples(frame, cells["source_id"].values, notes),
    )


def clean_ids(said: pl.Series, contract: Contract, context: CleanContext) -> pl.Series:
    """Values of source_id as cleaning leaves them; null where a row has none."""
    return _ruled(said, Job(contract.column("source_id"), context)).values


def count_issues(notes: Iterable[tuple[str | None, int]]) -> dict[Issue, int]:
    """Rows by issue, from notes of rows with how many rows have them."""
    counts: Counter[Issue] = Counter()
    for told, rows in notes:
        for one in (told or "").split(","):
            column, _, reason = one.partition(":")
            counts[column, reason] += rows
    counts.pop(("", ""), None)
    return dict(counts)


def first_examples(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Of each issue the first rows, of batches put together; the result does not depend on where batches end."""
    said = pl.col("before")
    order = ("column_name", "reason", *_EXAMPLE_ORDER, said.fill_null(""), said.is_null())
    every = pl.concat([pl.DataFrame(schema=EXAMPLE_SCHEMA), *parts]).sort(*order)
    first = every.group_by("column_name", "reason", maintain_order=True).head(EXAMPLE_ROWS)
    return first.select(*EXAMPLE_SCHEMA)


def issue_rows(counts: Mapping[Issue, int], examples: pl.DataFrame) -> pl.DataFrame:
    """Issues as meta.cleaning_issue holds them, with up to five distinct values of their first rows as examples."""
    shown: dict[Issue, dict[str | None, dict[str, str | None]]] = {}
    for column, reason, source_id, _, _, before, after in first_examples([examples]).iter_rows():
        known = shown.setdefault((column, reason), {})
        if len(known) < _EXAMPLES:
            known.setdefault(before, {"before": before, "after": after, "source_id": source_id or None})
    rows = [
        (column, "rejected" if reason in REJECTIONS else "changed", reason, count,
         json.dumps(list(shown.get((column, reason), {}).values()), ensure_ascii=False))
        for (column, reason), count in counts.items()
    ]  # fmt: skip
    return pl.DataFrame(sorted(rows), schema=ISSUE_SCHEMA, orient="row")


@dataclass(frozen=True)
class _Failure:
    """Rows that cannot enter the clean table, and why: `codes` is one reason or one per row."""

    column: str
    where: pl.Series
    codes: pl.Series | str


def _clean_columns(
    frame: pl.DataFrame, contract: Contract, context: CleanContext, formats: Formats
) -> dict[str, _Cell]:
    """Countries come first, since phone numbers lean on them."""
    columns = (*contract.columns, *_GIVEN)
    cells: dict[str, _Cell] = {}
    country = next((c.name for c in columns if c.semantic_type == "country"), None)
    for column in sorted(columns, key=lambda c: c.semantic_type != "country"):
        before = _given(frame, column.name)
        job = Job(column, context, formats.of(column.name), cells[country].values if country in cells else None)
        outcome = _ruled(before, job)
        cells[column.name] = _Cell(column, before, outcome.values, outcome.reasons, outcome.asides)
    deleted = cells["is_deleted"]
    deleted.values = deleted.values.fill_null(False)
    return {c.name: cells[c.name] for c in columns}


def _ruled(before: pl.Series, job: Job) -> Outcome:
    rule = RULES[job.column.semantic_type]
    if before.null_count() < len(before):
        return rule(before, job)
    nothing = rule(pl.Series([], dtype=pl.String), Job(job.column, job.context)).values
    return Outcome(pl.repeat(None, len(before), dtype=nothing.dtype, eager=True))


def _settle_currencies(cells: dict[str, _Cell], contract: Contract) -> None:
    """A currency written beside an amount fills an empty currency column; one that contradicts it voids the amount."""
    for column in contract.columns:
        amount, currency = cells[column.name], cells.get(column.currency_column or "")
        if amount.asides is None or currency is None:
            continue
        default = amount.asides.str.extract("^([A-Z]{3}):")
        fits = amount.asides.str.split(":").list.get(1, null_on_oob=True).str.split(",")
        fillable = currency.values.is_null() & default.is_not_null() & amount.values.is_not_null()
        if fillable.any():
            work = Work(currency.values)
            work.reasons = currency.reasons
            work.swap(pl.select(pl.when(fillable).then(default).otherwise(currency.values)).to_series(), "from_amount")
            currency.values, currency.reasons = work.values, work.reasons
        stated = pl.DataFrame({"code": currency.values, "fits": fits})
        agrees = stated.select(pl.col("code").is_in(pl.col("fits"))).to_series()
        conflict = currency.values.is_not_null() & fits.is_not_null() & ~agrees
        if conflict.any():
            work = Work(amount.values)
            work.reasons = amount.reasons
            work.drop(conflict, "currency_conflict")
            amount.values, amount.reasons = work.values, work.reasons


def _join_names(cells: dict[str, _Cell]) -> None:
    """A full name follows from its parts; the parts never follow from a full name, since that would be a guess."""
    if not {"full_name", "given_name", "family_name"} <= cells.keys():
        return
    full, given, family = (cells[n] for n in ("full_name", "given_name", "family_name"))
    joined = pl.concat_str([given.values, family.values], separator=" ")
    full.values = pl.select(pl.coalesce(full.values, joined)).to_series()


def _failures(cells: dict[str, _Cell], contract: Contract) -> Iterator[_Failure]:
    for column in contract.columns:
        cell = cells[column.name]
        if column.required and cell.values.null_count():
            rejected = pl.when(pl.lit(cell.reasons).is_in(list(REJECTIONS))).then(pl.lit(cell.reasons))
            codes_ = pl.lit("missing") if cell.reasons is None else pl.coalesce(rejected, pl.lit("missing"))
            absent = cell.values.is_null()
            yield _Failure(column.name, absent, pl.select(pl.repeat(None, len(absent)).fill_null(codes_)).to_series())
        for bound, code in ((column.minimum, "below_minimum"), (column.maximum, "above_maximum")):
            if bound is not None and cell.values.dtype.is_numeric():
                limit = Decimal(str(bound))
                beyond = cell.values < limit if code == "below_minimum" else cell.values > limit
                if beyond.any():
                    yield _Failure(column.name, beyond.fill_null(False), code)


def _original(cells: dict[str, _Cell]) -> pl.Series:
    """What the source said, as JSON, for the columns that cleaning changed by more than the type."""
    changed = [(c, c.reasons) for c in cells.values() if c.reasons is not None]
    length = len(next(iter(cells.values())).values)
    if not changed:
        return pl.repeat(None, length, dtype=pl.String, eager=True)
    pieces = [_changed_pairs(cell, reasons) for cell, reasons in changed]
    said = pl.concat_str(pieces, separator=",", ignore_nulls=True)
    anything = pl.any_horizontal([p.is_not_null() for p in pieces])
    return pl.select(pl.when(anything).then(pl.concat_str([pl.lit("{"), said, pl.lit("}")]))).to_series()


def _changed_pairs(cell: _Cell, reasons: pl.Series) -> pl.Series:
    """`"column":"what was said"` in the rows that changed."""
    rows = (reasons.is_not_null() & cell.before.is_not_null()).arg_true()
    said = as_text(cell.before.gather(rows))
    work = Work(said)
    # Escapes first, so that only the values that need it pay for it.
    work.mend(said.str.contains(r'[\\"\x00-\x1f]'), lambda text: Mended(json.dumps(text, ensure_ascii=False)[1:-1]))
    name = json.dumps(cell.column.name)
    pairs = pl.select(pl.concat_str([pl.lit(f'{name}:"'), work.values, pl.lit('"')])).to_series()
    return put(pl.repeat(None, len(cell.before), dtype=pl.String, eager=True), rows, pairs)


def _accepted(frame: pl.DataFrame, cells: dict[str, _Cell], original: pl.Series) -> pl.DataFrame:
    hashed = {name: cell.values for name, cell in cells.items()}
    hashed["extra"] = as_text(_given(frame, "extra"))
    hashed["original"] = original
    values = pl.DataFrame(hashed)
    # Only a hint: where it differs, load.py compares the values, since another polars may hash otherwise.
    row_hash = values.select(pl.struct(pl.all()).hash(_HASH_SEED).cast(pl.String)).to_series()
    return values.with_columns(
        as_text(_given(frame, "source_file")).alias("source_file"),
        _given(frame, "source_row").cast(pl.Int64, strict=False).alias("source_row"),
        row_hash.alias("row_hash"),
    ).select([*(n for n in cells if n not in _SYSTEM), *_STORED])


def _quarantined(
    frame: pl.DataFrame, cells: dict[str, _Cell], failures: list[_Failure], bad: pl.Series
) -> pl.DataFrame:
    """The bad rows as the mapping gave them, with all their reasons."""
    rows = frame.filter(bad)
    said = rows.drop([c for c in (*_PLACE, *HASHES) if c in rows.columns])
    plain = said.select(pl.col(n) if said[n].dtype.is_nested() else as_text(said[n]).alias(n) for n in said.columns)
    reasons = [
        pl.when(pl.lit(f.where.filter(bad))).then(pl.lit(_codes(f).filter(bad)) + pl.lit(f": {f.column}"))
        for f in failures
    ]
    return pl.DataFrame(
        {
            "source": cells["source"].values.filter(bad),
            "source_id": cells["source_id"].values.filter(bad),
            "reasons": pl.select(pl.concat_list(reasons).list.drop_nulls()).to_series()
            if reasons
            else pl.Series([], dtype=pl.List(pl.String)),
            "row": plain.select(pl.struct(pl.all()).struct.json_encode()).to_series(),
            "source_file": as_text(_given(rows, "source_file")),
            "source_row": _given(rows, "source_row").cast(pl.Int64, strict=False),
            "source_updated_at": cells["source_updated_at"].values.filter(bad),
        }
    )


def _codes(failure: _Failure) -> pl.Series:
    if isinstance(failure.codes, pl.Series):
        return failure.codes
    return pl.repeat(failure.codes, len(failure.where), dtype=pl.String, eager=True)


@dataclass(frozen=True)
class _Note:
    """What cleaning has to say of a column: a reason in the rows concerned, and the values before and after."""

    column: str
    reasons: pl.Series
    before: pl.Series
    after: pl.Series


def _notes(cells: dict[str, _Cell], failures: list[_Failure]) -> Iterator[_Note]:
    """What cleaning changed, and what broke the contract."""
    for cell in cells.values():
        if cell.reasons is not None:
            yield _Note(cell.column.name, cell.reasons, cell.before, cell.values)
    for failure in failures:
        # A value rejected on its own is told already.
        own = _codes(failure).is_in(["missing", "below_minimum", "above_maximum"])
        reasons = pl.select(pl.when(pl.lit(failure.where & own)).then(pl.lit(_codes(failure)))).to_series()
        cell = cells[failure.column]
        yield _Note(failure.column, reasons, cell.before, cell.values)


def _told(notes: list[_Note], length: int) -> pl.Series:
    """All that is noted of each row, in short."""
    if not notes:
        return pl.repeat(None, length, dtype=pl.String, eager=True)
    pieces = [pl.lit(f"{n.column}:") + pl.lit(n.reasons) for n in notes]
    told = pl.concat_str(pieces, separator=",", ignore_nulls=True)
    return pl.select(pl.when(told != "").then(told)).to_series()


def _examples(frame: pl.DataFrame, ids: pl.Series, notes: list[_Note]) -> pl.DataFrame:
    hashes = [_given(frame, name).cast(pl.UInt64).fill_null(0).alias(name) for name in HASHES]
    rows = pl.DataFrame([ids.fill_null("").alias("source_id"), *hashes])
    return pl.concat([pl.DataFrame(schema=EXAMPLE_SCHEMA), *(_first(note, rows) for note in notes)])


def _first(note: _Note, rows: pl.DataFrame) -> pl.DataFrame:
    """The first rows of each reason, with the value before and after."""
    where = note.reasons.is_not_null().arg_true()
    said = _cut(note.before.gather(where))
    told = rows[where].with_columns(
        note.reasons.gather(where).alias("reason"),
        where.alias("row"),
        said.fill_null("").alias("said"),
        said.is_null().alias("is_silent"),
    )
    order = [*_EXAMPLE_ORDER, "said", "is_silent"]
    parts = [part.bottom_k(EXAMPLE_ROWS, by=order) for part in told.partition_by("reason")]
    first = pl.concat([told.clear(), *parts])
    return first.select(
        pl.lit(note.column).alias("column_name"),
        "reason",
        *_EXAMPLE_ORDER,
        _cut(note.before.gather(first["row"])).alias("before"),
        _cut(note.after.gather(first["row"])).alias("after"),
    )


def _cut(values: pl.Series) -> pl.Series:
    text = as_text(values)
    cut = text.str.head(_LONGEST_EXAMPLE - 1) + "…"
    return cut.zip_with((text.str.len_chars() > _LONGEST_EXAMPLE).fill_null(False), text)


def _any(masks: list[pl.Series], length: int) -> pl.Series:
    """Where any of the masks holds."""
    nowhere = pl.repeat(False, length, dtype=pl.Boolean, eager=True)
    return pl.select(pl.any_horizontal([nowhere, *masks])).to_series()


def _given(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.repeat(None, frame.height, dtype=pl.String, eager=True)
