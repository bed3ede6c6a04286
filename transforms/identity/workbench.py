"""A DuckDB database in which records are brought into comparable form and compared; what linkage works on.

Nothing here decides who is who: pairs come from `blocking`, weights from `learning`, persons from `clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import polars as pl

from transforms.identity.comparisons import LEVELS, NAMES, NOTHING, PACKED, POSITION, SAME
from transforms.identity.learning import Counts, Floats, Ints, by_level, unpack
from transforms.identity.nicknames import ROOTS
from warehouse import store

SQL = Path(__file__).parent / "sql"
#: What is read of a record beside its id and source; all else is ignored.
COLUMNS = (
    *("external_id", "given_name", "family_name", "full_name", "email", "phone", "company_name"),
    *("street", "city", "postcode", "birth_date"),
)
#: Values whose records are counted, by comparison; a street is counted with its number.
_COUNTED = {
    **{name: name for name in ("given", "family", "birth", "postcode", "city", "organisation", "employer")},
    "street": "street || ' ' || house",
}
_SHARED = ("email", "phone", "external_id")
#: Pairs compared to see how often strangers agree: per profile, and at least and at most.
_SAMPLED_PER_PROFILE, _LEAST_SAMPLED, _MOST_SAMPLED = 40, 200_000, 600_000


class IdentityError(Exception):
    """Records that cannot be linked as given; the message says why."""


def check(records: pl.DataFrame) -> None:
    """Refuse records that cannot be told apart.

    Raises:
        IdentityError: record_id is missing, null or occurs twice.
    """
    if "record_id" not in records.columns:
        raise IdentityError("The records to resolve have no column record_id. Give each record an id.")
    ids = records["record_id"]
    if ids.null_count() or ids.n_unique() != len(ids):
        raise IdentityError("Some of the records to resolve share a record_id or have none. Make record_id unique.")


@contextmanager
def workbench(records: pl.DataFrame, apart: pl.Series | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the tables record, profile, form, comparable and those of counts.

    Args:
        records: record_id, source and any of COLUMNS.
        apart: ids of records that must not be taken together with others of the same content.
    """
    with TemporaryDirectory(prefix="linkage-") as scratch:
        con = store.connect(":memory:", temp=Path(scratch))
        try:
            con.execute(_text("macros"))
            _load(con, records, apart)
            _prepare(con)
            yield con
        finally:
            con.close()


def compare(con: duckdb.DuckDBPyConnection, a: Ints | None = None, b: Ints | None = None) -> tuple[Ints, Ints, Ints]:
    """Profiles a and b, and the packed levels, of the given pairs; of table `pair` by default."""
    sql = _text("levels")
    if a is not None:
        frame = pl.DataFrame({"a": a, "b": b}, schema={"a": pl.Int32, "b": pl.Int32})
        con.register("asked_pair", frame.to_arrow())
        sql = sql.replace("FROM pair\n", "FROM asked_pair AS pair\n")
    found = con.execute(f"SELECT a, b, {PACKED} AS pattern FROM ({sql}) AS compared").fetchnumpy()
    if a is not None:
        con.unregister("asked_pair")
    return tuple(np.asarray(found[name], dtype=np.int64) for name in ("a", "b", "pattern"))  # type: ignore[return-value]


def profile_of(con: duckdb.DuckDBPyConnection, record: str) -> int:
    """The profile of a record that is there."""
    sql = "SELECT profile FROM record INNER JOIN profile USING (one, two) WHERE record_id = ?"
    return _one(con, sql, record)


def copies(con: duckdb.DuckDBPyConnection) -> Ints:
    """How many records each profile stands for, by profile."""
    return np.asarray(con.execute("SELECT records FROM profile ORDER BY profile").fetchnumpy()["records"], np.int64)


def pattern_counts(records: Ints, a: Ints, b: Ints, patterns: Ints) -> tuple[Ints, Floats]:
    """Distinct patterns, ascending, and the pairs of records with each; a profile's copies pair among themselves."""
    pairs = np.where(a == b, records[a] * (records[a] - 1) // 2, records[a] * records[b])
    distinct, where = np.unique(patterns, return_inverse=True)
    counted: Floats = np.bincount(where, weights=pairs, minlength=len(distinct)).astype(np.float64)
    return distinct, counted


def count(con: duckdb.DuckDBPyConnection, records: Ints) -> Counts:
    """What holds over all pairs: exactly where values are the same, from a sample of pairs elsewhere."""
    size = int(records.sum())
    every = size * (size - 1) / 2
    per_source = np.array([n for (n,) in con.execute("SELECT sum(records) FROM profile GROUP BY source").fetchall()])
    within = float((per_source * (per_source - 1.0) / 2).sum())
    totals, shares = np.zeros((len(NAMES), LEVELS)), np.zeros((len(NAMES), LEVELS))
    sampled = _sampled(con, records)
    for name, position in POSITION.items():
        condition = "given IS NOT NULL AND family" if name == "name" else name
        filled = _one(con, f"SELECT sum(records) FROM comparable WHERE {condition} IS NOT NULL")
        seen = sampled[position, :NOTHING]
        if seen.sum():
            totals[position, :NOTHING] = (seen + 0.5) / (seen.sum() + 7) * filled * (filled - 1) / 2
        totals[position, : len(SAME)] = 0
        for level, pairs, held in con.execute(_same_sql(name)).fetchall():
            totals[position, level], shares[position, level] = pairs, held
    return Counts(size, np.array([every - within, within]), totals, shares)


def _load(con: duckdb.DuckDBPyConnection, records: pl.DataFrame, apart: pl.Series | None) -> None:
    """Tables record and profile; profiles are numbered by content, not by the order or ids of records."""
    given = [pl.col(name).cast(pl.String) for name in ("record_id", "source", *COLUMNS) if name in records.columns]
    absent = [pl.lit(None, pl.String).alias(name) for name in ("source", *COLUMNS) if name not in records.columns]
    alone = pl.col("record_id").cast(pl.String)
    own = pl.when(alone.is_in(apart.implode())).then(alone) if apart is not None else pl.lit(None, pl.String)
    frame = records.select(*given, *absent, own.alias("own"))
    content = ", ".join(("source", *COLUMNS, "own"))
    con.register("given_record", frame.to_arrow())
    # Two hashes together, for one of 64 bits might meet another's.
    con.execute(
        f"CREATE TABLE record AS SELECT record_id, hash({content}) AS one, hash('', {content}) AS two FROM given_record"
    )
    kept = ", ".join(f"any_value({name}) AS {name}" for name in COLUMNS)
    con.execute(
        "CREATE TABLE profile AS SELECT (row_number() OVER (ORDER BY one, two) - 1)::INTEGER AS profile, * FROM ("
        f"SELECT hash({content}) AS one, hash('', {content}) AS two, source, count(*)::INTEGER AS records, {kept} "
        "FROM given_record GROUP BY one, two, source) AS distinct_content"
    )
    con.unregister("given_record")


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    con.register("root_of", pl.DataFrame({"name": ROOTS.keys(), "root": ROOTS.values()}).to_arrow())
    con.execute("CREATE TABLE nickname AS FROM root_of")
    con.unregister("root_of")
    con.execute(f"CREATE TABLE form AS {_text('forms')}")
    for name in ("given", "family"):
        con.execute(
            f"CREATE TABLE known_{name} AS SELECT {name} AS name FROM form "
            f"WHERE length({name}) > 2 GROUP BY {name} HAVING sum(records) > 1"
        )
    con.execute(f"CREATE TABLE derived AS {_text('derived')}")
    for name, value in _COUNTED.items():
        least = 0 if name == "birth" else 1
        con.execute(
            f"CREATE TABLE count_{name} AS SELECT {value} AS value, sum(records) AS records FROM form "
            f"WHERE ({value}) IS NOT NULL GROUP BY 1 HAVING sum(records) > {least}"
        )
    for name in _SHARED:
        con.execute(
            f"CREATE TABLE count_{name} AS SELECT {name} AS value, sum(records)::INTEGER AS records, "
            f"count(DISTINCT name_key)::INTEGER AS names FROM form WHERE {name} IS NOT NULL "
            "GROUP BY 1 HAVING sum(records) > 1"
        )
    con.execute(_text("counts"))
    con.execute(f"CREATE TABLE comparable AS {_text('comparable')}")


def _same_sql(name: str) -> str:
    """By level of SAME: all pairs that have the value in common, and the records that do."""
    if name == "name":
        level, table = "level", "count_name"
    elif name in _SHARED:
        level, table = "shared_level(names - 1, records)", f"count_{name}"
    else:
        level, table = "rarity(records)", f"count_{name}"
    return (
        f"SELECT {level}, sum(records * (records - 1) / 2)::DOUBLE, sum(records)::DOUBLE FROM {table} "
        "WHERE records > 1 GROUP BY 1"
    )


def _sampled(con: duckdb.DuckDBPyConnection, records: Ints) -> Floats:
    """Comparison × level: how many of a sample of pairs are at the level; of all pairs where they are few."""
    size = len(records)
    wanted = min(max(_SAMPLED_PER_PROFILE * size, _LEAST_SAMPLED), _MOST_SAMPLED)
    if size * (size - 1) // 2 <= wanted:
        a, b = np.triu_indices(size, 1)
    else:
        drawn = np.random.default_rng(size).integers(0, size, (wanted, 2))
        drawn = np.sort(drawn[drawn[:, 0] != drawn[:, 1]], axis=1)
        a, b = drawn[:, 0], drawn[:, 1]
    a, b, patterns = compare(con, a.astype(np.int64), b.astype(np.int64))
    distinct, pairs = pattern_counts(records, a, b, patterns)
    return by_level(unpack(distinct)[0], pairs)


@cache
def _text(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def _one(con: duckdb.DuckDBPyConnection, sql: str, *values: str) -> int:
    row = con.execute(sql, values).fetchone()
    return int(row[0] or 0) if row else 0
