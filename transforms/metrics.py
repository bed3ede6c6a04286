"""The business's metrics: read from `metrics.yaml`, and turned into the query behind mart.metric_daily.

A metric is defined once, in YAML; marts, anomaly detection, the morning brief and docs all read it from here.
Running the query is the models' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import sqlglot
import yaml
from sqlglot import exp

from warehouse import contracts

METRICS_FILE = Path(__file__).parent / "metrics.yaml"

#: A ratio is a share (0.03 is 3 %), a multiple is so many times (3 is threefold).
Unit = Literal["count", "money", "ratio", "multiple", "hours", "percent"]
Direction = Literal["up", "down", "none"]
Kind = Literal["flow", "stock", "average"]

#: Members kept per metric and dimension, the largest first; totals count everything.
MEMBERS_KEPT = 30

_KEYS = ("name", "title", "description", "unit", "direction", "kind", "table", "date", "value")
_OPTIONAL = ("where", "dimensions")


class MetricError(Exception):
    """A metric that cannot be used; the message names file, metric and mend."""


@dataclass(frozen=True)
class Metric:
    """One number that the business watches, by day.

    Attributes:
        direction: which way is good.
        kind: `flow` adds up over days, `stock` is a level on a day, `average` is a quotient that does neither.
        table: core or mart table whose rows are aggregated.
        date: the table's column that holds the business day.
        value: aggregate SQL expression over the rows of a day.
        where: SQL condition on the rows that count; empty for all.
        dimensions: (name, SQL expression) pairs by which the metric can be split.
    """

    name: str
    title: str
    description: str
    unit: Unit
    direction: Direction
    kind: Kind
    table: str
    date: str
    value: str
    where: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def is_zero_filled(self) -> bool:
        """Whether a day without rows is a zero; for averages and levels it is unknown."""
        return self.kind == "flow"


def load_metrics(files: Iterable[Path] = ()) -> dict[str, Metric]:
    """The product's metrics, and those of further files, by name in order of definition.

    Raises:
        MetricError: a file cannot be read, a metric is incomplete or wrong, or two have the same name.
    """
    metrics: dict[str, Metric] = {}
    for path in (METRICS_FILE, *files):
        for entry in _entries(path):
            metric = _metric(path, entry)
            if metric.name in metrics:
                raise MetricError(f"{path}: metric {metric.name} is defined already. Give it another name.")
            metrics[metric.name] = metric
    return metrics


def _entries(path: Path) -> list[Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise MetricError(f"{path} cannot be read as YAML: {error}. Mend the file.") from error
    entries = document.get("metrics") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise MetricError(f"{path} must hold a list under `metrics`.")
    return entries


def _metric(path: Path, entry: Any) -> Metric:
    where = f"{path}: metric {entry.get('name', '?') if isinstance(entry, dict) else entry!r}"
    if not isinstance(entry, dict):
        raise MetricError(f"{where} must be a mapping with the keys {', '.join(_KEYS)}.")
    if missing := [key for key in _KEYS if not entry.get(key)]:
        raise MetricError(f"{where} lacks {', '.join(missing)}. Add it.")
    if unknown := [str(key) for key in entry if key not in (*_KEYS, *_OPTIONAL)]:
        raise MetricError(f"{where} has unknown keys {', '.join(unknown)}. Remove or rename them.")
    for key, allowed in (("unit", Unit), ("direction", Direction), ("kind", Kind)):
        if entry[key] not in get_args(allowed):
            raise MetricError(f"{where}: {key} is {entry[key]}; use one of {', '.join(get_args(allowed))}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", entry["name"]):
        raise MetricError(f"{where}: a name is lower-case letters, digits and underscores.")
    dimensions = entry.get("dimensions") or {}
    if not isinstance(dimensions, dict) or "total" in dimensions:
        raise MetricError(f"{where}: dimensions are pairs of name and SQL expression, and none is called total.")
    fields = {key: " ".join(str(entry[key]).split()) for key in (*_KEYS, "where") if entry.get(key)}
    # Unit, direction and kind have been checked against their literals above.
    arguments: dict[str, Any] = {"where": "", **fields}
    metric = Metric(**arguments, dimensions=tuple((str(k), str(v)) for k, v in dimensions.items()))
    _check_sql(where, metric)
    return metric


def _check_sql(where: str, metric: Metric) -> None:
    contract = contracts.tables().get(metric.table)
    if contract is None or contract.schema not in ("core", "mart"):
        raise MetricError(f"{where}: {metric.table} is no core or mart table.")
    known = {column.name for column in contract.columns}
    pieces = [metric.date, metric.value, metric.where or "TRUE", *(sql for _, sql in metric.dimensions)]
    for piece in pieces:
        try:
            parsed = sqlglot.parse_one(f"SELECT {piece}", dialect="duckdb")
        except sqlglot.ParseError as error:
            raise MetricError(f"{where}: `{piece}` is not a valid SQL expression. Mend it.") from error
        named = {column.name for column in parsed.find_all(exp.Column)}
        if unknown := sorted(named - known):
            raise MetricError(f"{where}: {metric.table} has no column {', '.join(unknown)}. Correct the name.")


def daily_sql(metrics: Mapping[str, Metric]) -> str:
    """The query behind mart.metric_daily: one row per metric, dimension, member and day.

    A series runs from its first day to the last day that its sources have delivered (at most the night's). In
    between, days without rows are zero for counts and sums, null for everything else.
    """
    listed = list(metrics.values())
    return "\n".join(
        [
            "-- One row per metric, dimension, member and day.",
            "WITH",
            f"delivered AS (\n{_delivered(listed)}\n),",
            f"definition AS (\n{_definitions(listed)}\n),",
            "cell AS (\n" + "\nUNION ALL\n".join(_cells(metric) for metric in listed) + "\n),",
            _SERIES.format(members_kept=MEMBERS_KEPT),
        ]
    )


def _delivered(metrics: Sequence[Metric]) -> str:
    """Last day each source has any row for: a shop without orders today but with visits has delivered."""
    dated = sorted({(m.table, m.date) for m in metrics if _has_source(m.table)})
    union = "\n    UNION ALL\n".join(
        f"    SELECT source, max({date}) AS last_date FROM {table} CROSS JOIN meta.night AS night "
        f"WHERE {date} <= night.as_of GROUP BY source"
        for table, date in dated
    )
    return f"SELECT source, max(last_date) AS last_date FROM (\n{union}\n) AS dated GROUP BY source"


def _definitions(metrics: Sequence[Metric]) -> str:
    return "\nUNION ALL\n".join(
        f"SELECT {_text(m.name)} AS metric, {_text(m.unit)} AS unit, "
        f"{str(m.is_zero_filled).upper()} AS is_zero_filled, ({_last_date(m)}) AS last_date"
        for m in metrics
    )


def _last_date(metric: Metric) -> str:
    if _has_source(metric.table):
        return f"SELECT max(last_date) FROM delivered WHERE source IN (SELECT source FROM {metric.table})"
    return (
        f"SELECT max({metric.date}) FROM {metric.table} CROSS JOIN meta.night AS night "
        f"WHERE {metric.date} <= night.as_of"
    )


def _has_source(table: str) -> bool:
    return any(column.name == "source" for column in contracts.tables()[table].columns)


def _cells(metric: Metric) -> str:
    """All dimensions of a metric in one pass over its table."""
    columns = {name: f"dimension_{name}" for name, _ in metric.dimensions}
    # Absent members are named before grouping, so that a null in the result can only mean "not grouped by".
    members = [f"coalesce(CAST({sql} AS VARCHAR), '(unknown)') AS dimension_{name}" for name, sql in metric.dimensions]
    conditions = [f"{metric.date} <= last_as_of", *([f"({metric.where})"] if metric.where else [])]
    which = [f"WHEN {column} IS NOT NULL THEN {_text(name)}" for name, column in columns.items()]
    groups = ["(metric_date)", *(f"(metric_date, {column})" for column in columns.values())]
    return "\n".join(
        [
            f"SELECT {_text(metric.name)} AS metric,",
            f"    CASE {' '.join(which)} ELSE 'total' END AS dimension," if which else "    'total' AS dimension,",
            f"    coalesce({', '.join([*columns.values(), _text('total')])}) AS member,",
            f"    metric_date AS date, CAST({metric.value} AS DOUBLE) AS value, count(*) AS volume",
            "FROM (",
            f"    SELECT {', '.join(['*', f'{metric.date} AS metric_date', *members])}",
            f"    FROM {metric.table} CROSS JOIN (SELECT as_of AS last_as_of FROM meta.night) AS night",
            f"    WHERE {' AND '.join(conditions)}",
            ") AS input",
            f"GROUP BY GROUPING SETS ({', '.join(groups)})",
        ]
    )


_SERIES = """\
member AS (
    SELECT
        metric,
        dimension,
        member,
        min(date) AS first_date,
        row_number() OVER (PARTITION BY metric, dimension ORDER BY sum(volume) DESC, member) AS place
    FROM cell
    GROUP BY metric, dimension, member
),
day AS (
    SELECT
        member.metric,
        member.dimension,
        member.member,
        calendar.date,
        definition.unit,
        definition.is_zero_filled
    FROM member
    INNER JOIN definition ON definition.metric = member.metric
    INNER JOIN core.calendar AS calendar ON calendar.date BETWEEN member.first_date AND definition.last_date
    WHERE member.place <= {members_kept}
)
SELECT
    day.metric,
    day.dimension,
    day.member,
    day.date,
    CASE WHEN day.is_zero_filled THEN coalesce(cell.value, 0) ELSE cell.value END AS value,
    day.unit
FROM day
LEFT JOIN cell
    ON cell.metric = day.metric
    AND cell.dimension = day.dimension
    AND cell.member = day.member
    AND cell.date = day.date"""


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(dialect="duckdb")
