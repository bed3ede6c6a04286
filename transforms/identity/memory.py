"""What linking keeps from one night to the next, so that a night's work follows what changed.

A DuckDB file with the workbench as it was left, the pairs that may matter, the model and the persons. It can be
rebuilt from the records at any time: where it is missing or belongs to another night, all is linked anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from transforms.identity import clusters, counting, persons, reasons, workbench
from transforms.identity.learning import Ints, Model
from transforms.identity.pairs import Pairs
from transforms.identity.persons import Persons
from transforms.identity.sql import one, over, text
from warehouse import store
from warehouse.digest import code_digest, digest
from warehouse.sql import literal

#: What of a workbench is kept.
_TABLES = (
    *("record", "form", "derived", "comparable", "nickname", "known_given", "known_family", "typed_birth"),
    *(f"count_{name}" for name in (*counting.COUNTED, *counting.SHARED, "name")),
    *("block_entry", "block_limit"),
)
#: So many records or fewer are linked anew each night, and so are all after so large a share of them changed: what
#: their values and their errors are like was learned from the records as they were.
SMALL, MOST_CHANGED = 20_000, 0.1
#: Pairs less likely than those that people are asked about are not kept.
_FORGOTTEN = float(np.log(reasons.UNCERTAIN[0] / (1 - reasons.UNCERTAIN[0])))


@dataclass(frozen=True)
class Memory:
    """What was found before.

    Attributes:
        model: what pairs were weighed by.
        pairs: pairs of all profiles that are not unlikely; what people decided is not in them.
        labels: by profile, who is one person; -1 where no record is left.
    """

    model: Model
    pairs: Pairs
    labels: Ints


@dataclass(frozen=True)
class Change:
    """What is new since: profiles to pair anew, profiles without records, and ids of records new, changed or gone."""

    touched: Ints
    gone: Ints
    records: pl.Series


def keep(con: duckdb.DuckDBPyConnection, path: Path, model: Model, pairs: Pairs, found: Persons) -> None:
    """Write a file anew from a workbench whose blocks were kept; it is of use once it is signed.

    Args:
        con: the workbench.
        path: the file; it is replaced when the new one is whole.
        model: what pairs were weighed by.
        pairs: pairs without what people decided.
        found: the persons.
    """
    fresh = path.with_suffix(".new")
    # What a killed night may have left.
    for left in (fresh, Path(f"{fresh}.wal")):
        left.unlink(missing_ok=True)
    con.execute(f"ATTACH {literal(str(fresh))} AS kept")
    try:
        for table in _TABLES:
            con.execute(f"CREATE TABLE kept.{table} AS FROM {table}")
        con.execute("CREATE TABLE kept.profile AS SELECT profile, one, two, source, records FROM profile")
        of_linking = "SELECT '' AS mark, ? AS made_by, count(*) AS records, 0 AS changed FROM record"
        con.execute(f"CREATE TABLE kept.linking AS {of_linking}", [_made_by()])
        _put(con, "kept.level", _level_frame(model))
        _put(con, "kept.kind", pl.DataFrame(model.kinds, schema=["between", "within"]).with_row_index("kind"))
        _put(con, "kept.weighed", _pair_frame(pairs))
        _put(con, "kept.person", _person_frame(found.labels, found.among))
    finally:
        con.execute("DETACH kept")
    fresh.replace(path)


def sign(path: Path, mark: str) -> None:
    """Say which assignment a file that was just kept belongs to."""
    con = store.connect(path)
    try:
        con.execute("UPDATE linking SET mark = ?", [mark])
    finally:
        con.close()


@contextmanager
def recalled(path: Path, mark: str | None) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """The file as a workbench, in a transaction; None where it is not what the linking of that mark left."""
    con = _opened(path) if mark is not None and path.exists() else None
    if con is None:
        yield None
        return
    try:
        if not _is_of(con, mark):
            yield None
            return
        con.execute(text("macros"))
        con.begin()
        yield con
    finally:
        con.close()


def _opened(path: Path) -> duckdb.DuckDBPyConnection | None:
    """None where the file is damaged: it is only worth what it saves."""
    try:
        return store.connect(path, temp=path.with_suffix(".tmp"))
    except store.StoreError:
        return None


def _is_of(con: duckdb.DuckDBPyConnection, mark: str | None) -> bool:
    try:
        return con.execute("SELECT mark, made_by FROM linking").fetchall() == [(mark, _made_by())]
    except duckdb.Error:
        return False


@cache
def _made_by() -> str:
    """What tables and hashes of another version cannot be compared with."""
    return digest(duckdb.__version__, code_digest(Path(__file__).parent))


def recall(con: duckdb.DuckDBPyConnection) -> Memory:
    """What was found before."""
    levels = con.execute("SELECT probability FROM level ORDER BY kind, comparison, level").fetchnumpy()["probability"]
    kinds = con.execute("SELECT between, within FROM kind ORDER BY kind").fetchnumpy()
    shape = con.execute("SELECT max(kind) + 1, max(comparison) + 1, max(level) + 1 FROM level").fetchone() or ()
    model = Model(levels.reshape(shape), np.stack([kinds["between"], kinds["within"]], axis=1))
    found = con.execute("SELECT a, b, weight, is_conflict, pattern FROM weighed").fetchnumpy()
    person = con.execute("SELECT profile, label FROM person").fetchnumpy()
    labels = np.full(int(person["profile"].max(initial=-1)) + 1, -1)
    labels[person["profile"]] = person["label"]
    pairs = Pairs(
        found["a"].astype(np.int64),
        found["b"].astype(np.int64),
        found["weight"],
        found["is_conflict"],
        found["pattern"],
    )
    return Memory(model, pairs, labels)


def update(con: duckdb.DuckDBPyConnection, records: pl.DataFrame, apart: pl.Series) -> Change | None:
    """Bring a recalled workbench to the records of tonight, up to the pairs; None where too much changed.

    Args:
        con: what `recalled` gave.
        records: all records of tonight.
        apart: ids of records that must not be taken together with others of the same content.
    """
    workbench.give(con, records, apart)
    con.execute(f"CREATE TEMP TABLE tonight AS SELECT record_id, {workbench.HASHES} FROM given_record")
    con.execute("CREATE TEMP TABLE fresh AS FROM tonight ANTI JOIN record USING (record_id, one, two)")
    con.execute("CREATE TEMP TABLE stale AS FROM record ANTI JOIN tonight USING (record_id, one, two)")
    changed = one(con, "SELECT count(DISTINCT record_id) FROM (FROM fresh UNION ALL FROM stale)")
    size, before = one(con, "SELECT records FROM linking"), one(con, "SELECT changed FROM linking")
    if size <= SMALL or changed + before > MOST_CHANGED * size:
        return None
    ids = con.execute("SELECT record_id FROM fresh UNION SELECT record_id FROM stale").pl()["record_id"]
    con.execute("UPDATE linking SET changed = ?", [changed + before])
    con.execute("DELETE FROM record WHERE record_id IN (SELECT record_id FROM stale)")
    con.execute("INSERT INTO record FROM fresh")
    con.unregister("given_record")
    workbench.give(con, records.filter(pl.col("record_id").is_in(ids.implode())), apart)
    _update_profiles(con)
    con.unregister("given_record")
    counting.recount(con)
    con.execute("DELETE FROM comparable WHERE profile IN (FROM touched) OR profile IN (FROM gone)")
    # A table of its own, so that its size is known when the joins are planned.
    con.execute("CREATE TEMP TABLE touched_form AS FROM form SEMI JOIN touched USING (profile)")
    con.execute(f"CREATE TEMP TABLE touched_comparable AS {over('comparable', 'form', 'touched_form')}")
    con.execute("INSERT INTO comparable FROM touched_comparable")
    con.execute("DELETE FROM block_entry WHERE profile IN (FROM gone)")
    return Change(_column(con, "FROM touched"), _column(con, "FROM gone"), ids)


def reached(
    con: duckdb.DuckDBPyConnection, known: Memory, change: Change, fresh: Pairs, decided: pl.DataFrame
) -> tuple[Pairs, Ints]:
    """The pairs of tonight, and the profiles whose person may be another.

    Args:
        con: an updated workbench.
        known: what was found before.
        change: what changed since.
        fresh: the pairs of the touched profiles.
        decided: record_left, record_right, verdict of records that are there.
    """
    count = max(len(known.labels), int(change.touched.max(initial=-1)) + 1)
    labels = np.full(count, -1)
    labels[: len(known.labels)] = known.labels
    altered = np.zeros(count, dtype=bool)
    altered[change.touched] = altered[change.gone] = True
    seeds = [change.touched, change.gone]
    links = known.pairs.with_more(fresh)
    if decided.height:
        a, b, is_same = persons.decided_pairs(con, decided)
        links = links.with_more(Pairs(a, b, np.where(is_same, np.inf, -np.inf), ~is_same, np.zeros_like(a)))
        seeds += [a, b]
    among = clusters.reached(count, links, labels, np.concatenate(seeds), threshold=persons.THRESHOLD)
    among[change.gone] = False
    of_old = known.pairs
    return of_old.at(~altered[of_old.a] & ~altered[of_old.b]).with_more(fresh), np.flatnonzero(among)


def note(con: duckdb.DuckDBPyConnection, mark: str, pairs: Pairs, change: Change, found: Persons) -> None:
    """Keep what was found tonight on a recalled workbench, and end its transaction.

    Args:
        con: what `recalled` gave.
        mark: of the assignment that came of it.
        pairs: the pairs of the touched profiles.
        change: what `update` found.
        found: the persons.
    """
    _delete(con, "weighed", ("a", "b"), np.concatenate([change.touched, change.gone]))
    _put(con, "weighed", _pair_frame(pairs), into=True)
    _delete(con, "person", ("profile",), np.concatenate([found.among, change.gone]))
    _put(con, "person", _person_frame(found.labels, found.among), into=True)
    con.execute("UPDATE linking SET mark = ?", [mark])
    con.commit()


def _update_profiles(con: duckdb.DuckDBPyConnection) -> None:
    """Profiles and forms of tonight; fills tables touched and gone, and altered with forms that count otherwise."""
    con.execute(
        "CREATE TEMP TABLE moved AS SELECT one, two, sum(n)::INTEGER AS n FROM ("
        "SELECT one, two, 1 AS n FROM fresh UNION ALL SELECT one, two, -1 FROM stale) AS step "
        "GROUP BY one, two HAVING sum(n) <> 0"
    )
    found = workbench.profiles_of("(FROM given_record SEMI JOIN fresh USING (record_id))")
    con.execute(
        "CREATE TEMP TABLE new_profile AS SELECT (row_number() OVER (ORDER BY one, two) + "
        f"(SELECT max(profile) FROM profile))::INTEGER AS profile, * FROM ({found}) AS found "
        "ANTI JOIN profile USING (one, two)"
    )
    con.execute(
        "CREATE TEMP TABLE altered AS SELECT form.* FROM form "
        "INNER JOIN profile USING (profile) SEMI JOIN moved USING (one, two)"
    )
    con.execute(
        "UPDATE profile SET records = profile.records + moved.n FROM moved "
        "WHERE moved.one = profile.one AND moved.two = profile.two"
    )
    con.execute("CREATE TEMP TABLE gone AS SELECT profile FROM profile WHERE records = 0")
    con.execute(
        "CREATE TEMP TABLE touched AS SELECT profile FROM profile SEMI JOIN moved USING (one, two) WHERE records > 0 "
        "UNION ALL SELECT profile FROM new_profile"
    )
    con.execute("DELETE FROM profile WHERE records = 0")
    con.execute("INSERT INTO profile SELECT profile, one, two, source, records FROM new_profile")
    for table in ("form", "derived"):
        con.execute(f"DELETE FROM {table} WHERE profile IN (FROM gone)")
    con.execute(
        "UPDATE form SET records = profile.records FROM profile "
        "WHERE profile.profile = form.profile AND profile.profile IN (FROM touched)"
    )
    con.execute(f"CREATE TEMP TABLE new_form AS {over('forms', 'profile', 'new_profile')}")
    con.execute("INSERT INTO form FROM new_form")
    con.execute("INSERT INTO altered FROM new_form")
    con.execute(f"INSERT INTO derived {over('derived', 'form', 'new_form')}")


def _column(con: duckdb.DuckDBPyConnection, sql: str) -> Ints:
    return np.sort(con.execute(sql).fetchnumpy()["profile"].astype(np.int64))


def _delete(con: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...], profiles: Ints) -> None:
    con.register("deleted", pl.DataFrame({"profile": profiles}).to_arrow())
    con.execute(f"DELETE FROM {table} WHERE {' OR '.join(f'{column} IN (FROM deleted)' for column in columns)}")
    con.unregister("deleted")


def _put(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, *, into: bool = False) -> None:
    con.register("kept_rows", frame.to_arrow())
    con.execute(f"INSERT INTO {table} FROM kept_rows" if into else f"CREATE TABLE {table} AS FROM kept_rows")
    con.unregister("kept_rows")


def _level_frame(model: Model) -> pl.DataFrame:
    kind, comparison, level = np.indices(model.levels.shape).reshape(3, -1)
    return pl.DataFrame({"kind": kind, "comparison": comparison, "level": level, "probability": model.levels.ravel()})


def _pair_frame(pairs: Pairs) -> pl.DataFrame:
    kept = pairs.at(pairs.weights > _FORGOTTEN)
    columns = {"a": kept.a, "b": kept.b, "weight": kept.weights, "is_conflict": kept.is_conflict}
    return pl.DataFrame({**columns, "pattern": kept.patterns}).cast({"a": pl.Int32, "b": pl.Int32})


def _person_frame(labels: Ints, profiles: Ints) -> pl.DataFrame:
    kept = profiles[labels[profiles] >= 0]
    return pl.DataFrame({"profile": kept.astype(np.int32), "label": labels[kept].astype(np.int32)})
