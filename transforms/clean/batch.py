"""Cleans one batch of mapped rows: a rule per semantic type, then the contract's limits; no row is ever lost.

Pure: a frame in, frames out. Reading the sources and writing the tables is the business of load.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
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
_EXAMPLES = 5
_SYSTEM = {c.name: c for c in SYSTEM_COLUMNS}
#: Of the system columns, these come with the row and are cleaned like any other.
_GIVEN = tuple(_SYSTEM[name] for name in ("source_updated_at", "is_deleted"))
_STORED = tuple(name for name in _SYSTEM if name != "cleaned_at")
_HASH_SEED = 20_240_101

ISSUE_SCHEMA = {
    "entity": pl.String,
    "source": pl.String,
    "column_name": pl.String,
    "kind": pl.String,
    "reason": pl.String,
    "row_count": pl.Int64,
    "examples": pl.String,
}


@dataclass(frozen=True)
class Cleaned:
    """A cleaned batch: every row is either accepted or quarantined.

    Attributes:
        accepted: contract columns in their types, then the system columns but for cleaned_at.
        quarantined: source, source_id, reasons, row (JSON), source_file, source_row, and source_updated_at.
        issues: meta.cleaning_issue rows of this batch; `merge_issues` adds batches up.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    issues: pl.DataFrame


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
            is_deleted, extra, source_file, source_row.
        formats: evidence from the whole column for ambiguous numbers and dates. Without it this batch is taken as the
            whole; give it wherever a table comes in several batches.
    """
    evidence = sniff_formats(frame, contract) if formats is None else formats
    cells = _clean_columns(frame, contract, context, evidence)
    _settle_currencies(cells, contract)
    _join_names(cells)
    failures = list(_failures(cells, contract))
    is_bad = pl.select(pl.any_horizontal(f.where for f in failures)).to_series() if failures else None
    original = _original(cells)
    accepted = _accepted(frame, cells, original)
    return Cleaned(
        accepted=accepted if is_bad is None else accepted.filter(~is_bad),
        quarantined=_quarantined(frame, cells, failures, is_bad),
        issues=_issues(frame, cells, failures, contract),
    )


def merge_issues(batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up the issues of several batches; the result does not depend on where the batches end."""
    keys = ["entity", "source", "column_name", "kind", "reason"]
    counts: dict[tuple[str, ...], int] = {}
    examples: dict[tuple[str, ...], dict[str, dict[str, str | None]]] = {}
    for row in (row for batch in batches for row in batch.iter_rows(named=True)):
        key = tuple(row[k] for k in keys)
        counts[key] = counts.get(key, 0) + row["row_count"]
        known = examples.setdefault(key, {})
        for example in json.loads(row["examples"]):
            held = known.get(example["before"])
            if held is None or _rank(example) < _rank(held):
                known[example["before"]] = example
    rows = [
        (*key, count, _dumped(sorted(examples[key].values(), key=_rank)[:_EXAMPLES])) for key, count in counts.items()
    ]
    return pl.DataFrame(sorted(rows), schema=ISSUE_SCHEMA, orient="row")


def issue(
    contract: Contract, source: str, column: str, reason: str, count: int, examples: list[dict[str, str | None]]
) -> pl.DataFrame:
    """One row of issues, for what is found beyond a single batch."""
    kind = "rejected" if reason in REJECTIONS else "changed"
    row = (contract.name, source, column, kind, reason, count, _dumped(examples))
    return pl.DataFrame([row], schema=ISSUE_SCHEMA, orient="row")


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
    frame: pl.DataFrame, cells: dict[str, _Cell], failures: list[_Failure], is_bad: pl.Series | None
) -> pl.DataFrame:
    """The bad rows as the mapping gave them, with all their reasons."""
    bad = pl.Series([False]).new_from_index(0, frame.height) if is_bad is None else is_bad
    rows = frame.filter(bad)
    said = rows.drop([c for c in ("source_file", "source_row") if c in rows.columns])
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


def _issues(frame: pl.DataFrame, cells: dict[str, _Cell], failures: list[_Failure], contract: Contract) -> pl.DataFrame:
    """Counts by source, column and reason: what cleaning changed, and what broke the contract."""
    ids, sources = cells["source_id"].values, cells["source"].values
    parts = [
        _counted(c.column.name, c.reasons, c.before, c.values, ids, sources)
        for c in cells.values()
        if c.reasons is not None
    ]
    for failure in failures:
        # A value rejected on its own is counted above already.
        own = _codes(failure).is_in(["missing", "below_minimum", "above_maximum"])
        codes_ = pl.select(pl.when(pl.lit(failure.where & own)).then(pl.lit(_codes(failure)))).to_series()
        cell = cells[failure.column]
        parts.append(_counted(failure.column, codes_, cell.before, cell.values, ids, sources))
    rows = [
        (
            contract.name,
            source or "",
            column,
            "rejected" if reason in REJECTIONS else "changed",
            reason,
            count,
            _dumped(examples),
        )
        for part in parts
        for source, column, reason, count, examples in part
    ]
    return pl.DataFrame(rows, schema=ISSUE_SCHEMA, orient="row")


def _counted(
    column: str, reasons: pl.Series, before: pl.Series, after: pl.Series, ids: pl.Series, sources: pl.Series
) -> Iterator[tuple[str | None, str, str, int, list[dict[str, str | None]]]]:
    """Counts by reason, with the distinct values of the first source_ids as examples."""
    where = reasons.is_not_null()
    told = pl.DataFrame(
        {"source": sources, "reason": reasons, "before": as_text(before), "after": after, "source_id": ids}
    ).filter(where)
    distinct = told.group_by("source", "reason", "before").agg(
        pl.len().alias("count"), pl.col("source_id").min(), pl.col("after").min()
    )
    for (source, reason), group in distinct.partition_by("source", "reason", as_dict=True).items():
        first = group.bottom_k(_EXAMPLES, by=pl.col("source_id").fill_null("")).sort("source_id", "before")
        examples = [
            {"before": _cut(b), "after": _cut(a), "source_id": i}
            for b, a, i in zip(first["before"], as_text(first["after"]), first["source_id"], strict=True)
        ]
        yield source, column, reason, int(group["count"].sum()), examples


def _cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= _LONGEST_EXAMPLE else value[: _LONGEST_EXAMPLE - 1] + "…"


def _rank(example: dict[str, str | None]) -> tuple[str, str]:
    return example["source_id"] or "", example["before"] or ""


def _dumped(examples: list[dict[str, str | None]]) -> str:
    return json.dumps(examples, ensure_ascii=False)


def _given(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.repeat(None, frame.height, dtype=pl.String, eager=True)
