"""How a column's values become a column of the raw table: the SQL that casts what was carried, and what does not fit.

A value that its type cannot hold (NaN in a DECIMAL, an infinite date, a zero date) lands as text in a column beside,
and so does a value of a retyped column unless it comes back unchanged from the type that the raw table has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.files.names import column_names
from connectors.sql_database.database import Column
from warehouse.sql import quoted

OWN = {
    "_is_deleted": "BOOLEAN",
    "_deleted_at": "TIMESTAMP WITH TIME ZONE",
    "_loaded_at": "TIMESTAMP WITH TIME ZONE",
}
# Python and most tools know no other years, and no day has a 24:00.
_BOUNDS = {
    "DATE": "{0} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'",
    "TIMESTAMP": "{0} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'",
    "TIMESTAMP WITH TIME ZONE": "{0} BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' "
    "AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
    "TIME": "{0} < TIME '24:00:00'",
}


@dataclass(frozen=True, kw_only=True)
class Landing:
    """One column on its way: `name` in the raw table, `beside` for what does not fit, `held` the type there already."""

    column: Column
    name: str
    beside: str
    held: str | None = None

    @property
    def kind(self) -> str:
        """The DuckDB type in the raw table."""
        return self.held or self.column.lands

    @property
    def value(self) -> str:
        """SQL for the values that fit, NULL for the others; what was carried is a column called `name`."""
        carried = quoted(self.name)
        if self.kind == "VARCHAR":
            return f"{carried}::VARCHAR"
        fits = self._fits()
        return f"CASE WHEN {fits} THEN {_cast(_cast(carried, self.column.lands), self.kind)} END"

    @property
    def rest(self) -> str:
        """SQL for the text of the values that do not fit, NULL for the others."""
        if self.kind == "VARCHAR":
            return "NULL::VARCHAR"
        carried = quoted(self.name)
        return f"CASE WHEN {carried} IS NOT NULL AND NOT coalesce({self._fits()}, FALSE) THEN {carried}::VARCHAR END"

    def _fits(self) -> str:
        landed = _cast(quoted(self.name), self.column.lands)
        conditions = [f"{landed} IS NOT NULL", *_bounds(self.column.lands, landed)]
        if self.kind != self.column.lands:
            held = _cast(landed, self.kind)
            conditions += [f"{_cast(held, self.column.lands)} = {landed}", *_bounds(self.kind, held)]
        return " AND ".join(conditions)


def plan(columns: Sequence[Column], known: Mapping[str, str], held: Mapping[str, str]) -> list[Landing]:
    """Names the columns of a table for the raw table.

    Args:
        columns: the columns at the source.
        known: the names given before, by name at the source; they stay.
        held: the columns of the raw table with their types.
    """
    names = [column.name for column in columns]
    landed = assign(names, known)
    taken = set(landed.values()) | set(known.values())
    out = []
    for column in columns:
        name = landed[column.name]
        beside = f"{name}_text"
        while beside in taken:
            beside += "_2"
        out.append(Landing(column=column, name=name, beside=beside, held=held.get(name)))
    return out


def assign(names: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Gives each name at the source one in the raw file; names given before are kept, and not given twice."""
    old = [name for name in names if name in known]
    new = [name for name in names if name not in known]
    # What was given comes first, so that a new name that would be the same gets a number.
    chosen = column_names([*known.values(), *new])[0][len(known) :]
    return {name: known[name] for name in old} | dict(zip(new, chosen, strict=True))


def _cast(expression: str, kind: str) -> str:
    return f"TRY_CAST({expression} AS {kind})"


def _bounds(kind: str, expression: str) -> list[str]:
    return [_BOUNDS[kind].format(expression)] if kind in _BOUNDS else []
