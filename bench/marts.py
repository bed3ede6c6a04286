"""Whether the marts' numbers are those of the demo company's truth, and whose they are.

Two questions apart: given the customers that the night took people for, is every number right; and how many people
were told apart rightly. Whether records are linked well, pair by pair, is bench/truth.py's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.expected import EXPECTED, Facts, Rows
from warehouse.contracts import tables


def by_key(table: str, rows: Iterable[tuple[Any, ...]]) -> Rows:
    """Rows of a mart, with all its columns in their order, by the columns of its key."""
    contract = tables()[table]
    names = [column.name for column in contract.columns]
    named = (dict(zip(names, row, strict=True)) for row in rows)
    return {tuple(row[name] for name in contract.key): row for row in named}


def differing(found: Rows, expected: Rows) -> list[tuple[Any, ...]]:
    """Key, column and both values, wherever what was found is not what was to be expected; a missing row once."""
    absent = [(key, None, key in found, key in expected) for key in found.keys() ^ expected.keys()]
    return absent + [
        (key, column, found[key][column], value)
        for key in found.keys() & expected.keys()
        for column, value in expected[key].items()
        if not is_same(column, found[key][column], value)
    ]


def is_same(column: str, found: Any, expected: Any) -> bool:
    """Counts and money exactly; credit, which is shared in millionths of an order, to the cent; quotients nearly."""
    if found is None or expected is None or float not in (type(found), type(expected)):
        return bool(found == expected)
    if column.startswith("credit"):
        return math.isclose(found, expected, abs_tol=0.005 if column.endswith("_base") else 0.00001)
    # Quotients of shared credit are as near as the credit; means of hours are of numbers with six digits.
    return math.isclose(found, expected, rel_tol=0.0001 if column in ("roas", "cac_base") else 1e-9, abs_tol=1e-6)


def numbers() -> set[str]:
    """Every number of a mart that is no part of its key, as `table.column`."""
    return {
        f"{name}.{column.name}"
        for name, contract in tables().items()
        for column in contract.columns
        if contract.schema == "mart" and column.name not in contract.key
        if column.duckdb_type.startswith(("DECIMAL", "BIGINT", "INTEGER", "DOUBLE"))
    }


def compared(facts: Facts) -> set[str]:
    """Every column that the truth knows of, as `table.column`."""
    return {f"{name}.{column}" for name, rows in EXPECTED.items() for row in rows(facts).values() for column in row}


def rightly_told(true: Facts, seen: Facts) -> dict[str, str]:
    """The customer of each person whose records, and no others, are that customer's, and nobody else's as well.

    Args:
        true: The truth.
        seen: The same, to the customers that people were taken for.
    """
    people = Counter(record for records in true.records.values() for record in records)
    customers = {frozenset(records): customer for customer, records in seen.records.items()}
    return {
        person: customers[frozenset(records)]
        for person, records in true.records.items()
        if frozenset(records) in customers and all(people[record] == 1 for record in records)
    }
