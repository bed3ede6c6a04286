"""A DuckDB database in which records are brought into comparable form and compared; what linkage works on.

Nothing here decides who is who: pairs come from `blocking`, weights from `learning`, persons from `clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import polars as pl

from transforms.identity import counting
from transforms.identity.comparisons import PACKED
from transforms.identity.learning import Ints
from transforms.identity.nicknames import ROOTS
from transforms.identity.sql import one, over, text
from warehouse import store

#: What is read of a record beside its id and source; all else is ignored.
COLUMNS = (
    *("external_id", "given_name", "family_name", "full_name", "email", "phone", "company_name"),
    *("domain", "street", "city", "postcode", "birth_date"),
)
_CONTENT = ", ".join(("source", *COLUMNS, "own"))
#: Two hashes of a record's content together, for one of 64 bits might meet another's.
HASHES = f"hash({_CONTENT}) AS one, hash('', {_CONTENT}) AS two"


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
            con.execute(text("macros"))
            _load(con, records, apart)
            _prepare(con)
            yield con
        finally:
            con.close()


def compare(con: duckdb.DuckDBPyConnection, a: Ints | None = None, b: Ints | None = None) -> tuple[Ints, Ints, Ints]:
    """Profiles a and b, and the packed levels, of the given pairs; of table `pair` by default."""
    sql = text("levels")
    if a is not None:
        frame = pl.DataFrame({"a": a, "b": b}, schema={"a": pl.Int32, "b": pl.Int32})
        con.register("asked_pair", frame.to_arrow())
        sql = over("levels", "pair", "asked_pair")
    found = con.execute(f"SELECT a, b, {PACKED} AS pattern FROM ({sql}) AS compared").fetchnumpy()
    if a is not None:
        con.unregister("asked_pair")
    return tuple(np.asarray(found[name], dtype=np.int64) for name in ("a", "b", "pattern"))  # type: ignore[return-value]


def profile_of(con: duckdb.DuckDBPyConnection, record: str) -> int:
    """The profile of a record that is there."""
    sql = "SELECT profile FROM record INNER JOIN profile USING (one, two) WHERE record_id = ?"
    return one(con, sql, record)


def copies(con: duckdb.DuckDBPyConnection) -> Ints:
    """How many records each profile stands for, by profile; 0 where none is left."""
    found = con.execute("SELECT profile, records FROM profile").fetchnumpy()
    records = np.zeros(int(found["profile"].max(initial=-1)) + 1, dtype=np.int64)
    records[found["profile"]] = found["records"]
    return records


def give(con: duckdb.DuckDBPyConnection, records: pl.DataFrame, apart: pl.Series | None) -> None:
    """Register records as given_record, with every column of COLUMNS, until the caller takes it back."""
    given = [pl.col(name).cast(pl.String) for name in ("record_id", "source", *COLUMNS) if name in records.columns]
    absent = [pl.lit(None, pl.String).alias(name) for name in ("source", *COLUMNS) if name not in records.columns]
    alone = pl.col("record_id").cast(pl.String)
    own = pl.when(alone.is_in(apart.implode())).then(alone) if apart is not None else pl.lit(None, pl.String)
    con.register("given_record", records.select(*given, *absent, own.alias("own")).to_arrow())


def profiles_of(records: str) -> str:
    """The distinct contents of given records."""
    columns = ", ".join(f"any_value({name}) AS {name}" for name in COLUMNS)
    return f"SELECT {HASHES}, source, count(*)::INTEGER AS records, {columns} FROM {records} GROUP BY one, two, source"


def _load(con: duckdb.DuckDBPyConnection, records: pl.DataFrame, apart: pl.Series | None) -> None:
    """Tables record and profile; profiles are numbered by content, not by the order or ids of records."""
    give(con, records, apart)
    con.execute(f"CREATE TABLE record AS SELECT record_id, {HASHES} FROM given_record")
    con.execute(
        "CREATE TABLE profile AS SELECT (row_number() OVER (ORDER BY one, two) - 1)::INTEGER AS profile, * "
        f"FROM ({profiles_of('given_record')}) AS distinct_content"
    )
    con.unregister("given_record")


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    con.register("root_of", pl.DataFrame({"name": ROOTS.keys(), "root": ROOTS.values()}).to_arrow())
    con.execute("CREATE TABLE nickname AS FROM root_of")
    con.unregister("root_of")
    con.execute(f"CREATE TABLE form AS {text('forms')}")
    for name in ("given", "family"):
        con.execute(
            f"CREATE TABLE known_{name} AS SELECT {name} AS name FROM form "
            f"WHERE length({name}) > 2 GROUP BY {name} HAVING sum(records) > 1"
        )
    con.execute(f"CREATE TABLE derived AS {text('derived')}")
    counting.make(con)
    con.execute(f"CREATE TABLE comparable AS {text('comparable')}")
