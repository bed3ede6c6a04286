"""Which checks a table gets, derived from its contract and nothing else.

Light on purpose: loading the code location lists every check, so Great Expectations is named here by class
name only and imported in `quality.gx`, when checks run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from warehouse.contracts import Column, Contract, Reference, Rule, Severity
from warehouse.sql import quoted, quoted_table

#: What a value of a semantic type looks like once cleaned. These say what every right value has in common, and
#: leave the finer judgement to the cleaning rules: a check that is too strict would block a good night.
FORMATS: Mapping[str, tuple[str, str]] = {
    "email": (r"^[^@\s]+@[^@\s]+\.[^@\s.]+$", "an e-mail address"),
    "phone": (r"^\+[1-9][0-9]{6,14}$", "a telephone number in E.164 form"),
    "country": (r"^[A-Z]{2}$", "an ISO 3166-1 alpha-2 country code"),
    "currency": (r"^[A-Z]{3}$", "an ISO 4217 currency code"),
    "language": (r"^[a-z]{2}$", "an ISO 639-1 language code"),
    "domain": (r"^[^\s@:/.]+(\.[^\s@:/.]+)+$", "a domain name"),
}


Scope = Literal["row", "key", "reference", "table"]


@dataclass(frozen=True)
class Check:
    """One thing that must be true of a table, as an expectation of Great Expectations.

    Attributes:
        key: the columns that identify a failing row in examples and in the SQL that finds it.
        scope: what decides about a row: its own columns (`row`), rows with the same values in columns (`key`), the row
            of another table that it refers to (`reference`), or more than that (`table`).
        unique: for the scope `key`, the columns; reference: for `reference`, what it refers to.
    """

    name: str
    table: str
    severity: Severity
    description: str
    expectation: str
    kwargs: Mapping[str, Any] = field(hash=False)
    key: tuple[str, ...]
    scope: Scope = "row"
    unique: tuple[str, ...] = ()
    reference: Reference | None = None


def checks_for(contract: Contract, *, had_rows: bool = False) -> tuple[Check, ...]:
    """All checks of a table, in the order that a reader looks for them.

    Args:
        contract: the table's contract, of any schema.
        had_rows: the table held rows on an earlier night, so that an empty one is an error.
    """
    checks = [
        *_row_checks(contract, had_rows),
        *_key_checks(contract),
        *(check for column in contract.columns for check in _column_checks(contract, column)),
        *(_reference_check(contract, reference) for reference in contract.references),
        *(_rule_check(contract, rule) for rule in contract.rules),
    ]
    twice = {c.name for c in checks if sum(c.name == other.name for other in checks) > 1}
    if twice:
        raise ValueError(
            f"{contract.table} has two checks named {', '.join(sorted(twice))}. "
            f"Rename the quality rule in {contract.path.name}."
        )
    return tuple(checks)


def _check(
    contract: Contract,
    name: str,
    description: str,
    expectation: str,
    kwargs: Mapping[str, Any],
    severity: Severity = "error",
) -> Check:
    key = contract.key or tuple(c.name for c in contract.columns[:3])
    return Check(name, contract.table, severity, description, expectation, kwargs, key)


def _row_checks(contract: Contract, had_rows: bool) -> Iterable[Check]:
    if had_rows:
        check = _check(
            contract,
            "has_rows",
            "The table had rows on an earlier night, so it has some now.",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1},
        )
        yield replace(check, scope="table")


def _key_checks(contract: Contract) -> Iterable[Check]:
    key = contract.key
    if len(key) == 1:
        yield _unique(contract, key[0])
    elif key:
        name = "source_id_is_unique" if key == ("source", "source_id") else "key_is_unique"
        columns = ", ".join(quoted(c) for c in key)
        # GX has a compound check of its own; its window over all rows took twice as long on 5 million rows.
        repeated = f"SELECT ({columns}) FROM {quoted_table(contract.table)} GROUP BY {columns} HAVING count(*) > 1"
        check = _rows_where(
            contract,
            name,
            f"No two rows share the same {' and '.join(key)}.",
            f"({columns}) IN ({repeated})",
            columns=key,
        )
        yield replace(check, scope="key", unique=key)
    yield from (_unique(contract, c.name) for c in contract.columns if c.unique and (c.name,) != key)


def _unique(contract: Contract, column: str) -> Check:
    check = _check(
        contract,
        f"{column}_is_unique",
        f"No two rows share the same {column}.",
        "ExpectColumnValuesToBeUnique",
        {"column": column},
    )
    return replace(check, scope="key", unique=(column,))


def _column_checks(contract: Contract, column: Column) -> Iterable[Check]:
    if column.required:
        yield _check(
            contract,
            f"{column.name}_is_given",
            f"Every row has a {column.name}.",
            "ExpectColumnValuesToNotBeNull",
            {"column": column.name},
        )
    if column.enum:
        yield _check(
            contract,
            f"{column.name}_is_one_of_known",
            f"{column.name} is one of {', '.join(column.enum)}.",
            "ExpectColumnValuesToBeInSet",
            {"column": column.name, "value_set": list(column.enum)},
        )
    if column.minimum is not None or column.maximum is not None:
        yield _check(
            contract,
            f"{column.name}_{_range_name(column)}",
            f"{column.name} is {_range_name(column, spoken=True)}.",
            "ExpectColumnValuesToBeBetween",
            {"column": column.name, "min_value": column.minimum, "max_value": column.maximum},
        )
    if column.semantic_type in FORMATS and column.duckdb_type == "VARCHAR":
        pattern, meaning = FORMATS[column.semantic_type]
        yield _check(
            contract,
            f"{column.name}_is_{column.semantic_type}",
            f"{column.name} is {meaning}.",
            "ExpectColumnValuesToMatchRegex",
            {"column": column.name, "regex": pattern},
        )


def _range_name(column: Column, *, spoken: bool = False) -> str:
    low, high = (f"{limit:g}" if limit is not None else None for limit in (column.minimum, column.maximum))
    if low is not None and high is not None:
        words = f"between {low} and {high}"
    else:
        words = f"at least {low}" if low is not None else f"at most {high}"
    if spoken:
        return words
    return re.sub(r"[^a-z0-9]+", "_", words.replace("-", "minus_"))


def referred(contract: Contract, reference: Reference) -> tuple[str, dict[str, str]]:
    """The table that a reference points to, and by own column the column of it that must have the same value."""
    parent = reference.to_table if "." in reference.to_table else f"{contract.schema}.{reference.to_table}"
    pairs = {reference.column: reference.to_column}
    return parent, {"source": "source", **pairs} if contract.schema == "clean" else pairs


def _reference_check(contract: Contract, reference: Reference) -> Check:
    parent, pairs = referred(contract, reference)
    match = " AND ".join(f"parent.{quoted(theirs)} = {quoted(contract.name, ours)}" for ours, theirs in pairs.items())
    check = _rows_where(
        contract,
        f"{reference.column}_is_in_{parent.rpartition('.')[2]}",
        f"Every {reference.column} that is given is found in {parent}.",
        f"{quoted(contract.name, reference.column)} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {quoted_table(parent)} AS parent WHERE {match})",
        columns=tuple(pairs),
        # Orphans to be quarantined are gone by now (quality.integrity), and the model's keys hold by construction:
        # one that is left is a defect. Only clean may hold orphans that the contract tolerates.
        severity="warning" if contract.schema == "clean" and reference.on_orphan == "warn" else "error",
    )
    return replace(check, scope="reference", reference=reference)


def _rule_check(contract: Contract, rule: Rule) -> Check:
    words = set(re.findall(r"[a-z_][a-z0-9_]*", rule.condition))
    check = _rows_where(
        contract,
        rule.name,
        rule.description,
        rule.condition,
        columns=tuple(c.name for c in contract.columns if c.name in words),
        severity=rule.severity,
    )
    return replace(check, scope="table" if "select" in rule.condition.lower() else "row")


def _rows_where(
    contract: Contract,
    name: str,
    description: str,
    condition: str,
    *,
    columns: tuple[str, ...],
    severity: Severity = "error",
) -> Check:
    """A check over whole rows; `columns` are the ones that show what is wrong."""
    shown = list(dict.fromkeys((*columns, *contract.key)))
    if len(shown) == 1:  # Great Expectations wants two columns at least
        shown += [c.name for c in contract.columns if c.name not in shown][:1]
    kwargs = {"column_list": shown, "condition": condition}
    return _check(contract, name, description, "ExpectNoRowsWhere", kwargs, severity)
