"""Who is who among person records: pure functions from records to persons and their lasting ids.

Reading and writing tables belongs to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from transforms.identity import memory, pairs, workbench
from transforms.identity.assignment import assign, left_behind
from transforms.identity.persons import Persons, clustered, find_persons, parties
from transforms.identity.reasons import worth_asking

_DECISION = dict.fromkeys(("record_left", "record_right", "verdict"), pl.String)


@dataclass(frozen=True)
class Linked:
    """What linking came to; the columns are in the contracts of the tables.

    Attributes:
        assignment: rows of identity.assignment.
        history: new rows of identity.history.
        former: new rows of identity.former_id.
        review: pairs about which a person should decide: left_record, right_record, probability, for_evidence,
            against_evidence; the most uncertain first.
        mark: of this assignment; the next linking wants it to go on from here.
        changed: records new, changed or gone, if only those were linked; None where all were.
    """

    assignment: pl.DataFrame
    history: pl.DataFrame
    former: pl.DataFrame
    review: pl.DataFrame
    mark: str
    changed: int | None = None


def resolve(records: pl.DataFrame) -> pl.DataFrame:
    """Group records into persons, or organisations, by all that they say.

    Every column but record_id and source may be missing or null. Nulls, placeholders and values that many share link
    nothing. The result depends on the contents of the records alone, not on their order or ids.

    Args:
        records: one row per record with record_id and source, and any of external_id, given_name, family_name,
            full_name, email, phone, company_name, domain, street, city, postcode and birth_date (a date or text). Other
            columns are ignored, region and country among them: town and postcode tell more.

    Returns:
        record_id, cluster_id (the smallest record_id of the cluster) and match_probability (of the record's best link
        within its cluster, 1.0 for a record alone), in the order of the records.

    Raises:
        IdentityError: record_id is missing, null or occurs twice.
    """
    workbench.check(records)
    with workbench.workbench(records) as con:
        persons = find_persons(con, *pairs.learned(con), pl.DataFrame(schema=_DECISION))
    return clustered(records, persons).drop("evidence")


def link(
    records: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    happened_at: datetime,
    decisions: pl.DataFrame | None = None,
    former: pl.DataFrame | None = None,
    kept: Path | None = None,
    mark: str | None = None,
) -> Linked:
    """Resolve records, obey what people decided, give each record its customer id, and find what to ask people.

    Where `kept` holds what the linking of `mark` left and few records changed since, only those are compared, with all
    others, and only customers that they touch are looked at again. How much values and errors weigh stays as it was
    learned when all were linked.

    Args:
        records: rows of identity.record.
        previous: rows of identity.assignment of the night before; None on the first night.
        happened_at: the night's time, for history and the ids' age.
        decisions: record_left, record_right, verdict ('same' or 'different'); records that are gone are passed over.
        former: rows of identity.former_id, so that what is undone gets its old id back.
        kept: file for what the next linking can go on from; none is kept by default.
        mark: of the linking that `previous` came from.
    """
    workbench.check(records)
    decided = _of_known(records, pl.DataFrame(schema=_DECISION) if decisions is None else decisions)
    if kept is not None and previous is not None:
        with memory.recalled(kept, mark) as con:
            again = _relinked(con, records, previous, decided, happened_at, former) if con is not None else None
        if again is not None:
            return again
    with workbench.workbench(records, parties(decided)) as con:
        model, weighed = pairs.learned(con, keep=kept is not None)
        persons = find_persons(con, model, weighed, decided)
        review = worth_asking(con, persons)
        if kept is not None:
            memory.keep(con, kept, model, weighed, persons)
    assignment, history = _assigned(records, persons, previous, happened_at, former)
    mark = _mark(assignment)
    if kept is not None:
        memory.sign(kept, mark)
    return Linked(assignment, history, left_behind(previous, history, former), review, mark)


def accounts(companies: pl.DataFrame, previous: pl.DataFrame | None = None, *, happened_at: datetime) -> pl.DataFrame:
    """Resolve company records and give each its account id, which lasts as customer ids do.

    Args:
        companies: rows of identity.company.
        previous: record_id, account_id and account_since of the night before; None on the first night.
        happened_at: the night's time, for the ids' age.

    Returns:
        Rows of identity.account.
    """
    columns = {"account_id": "customer_id", "account_since": "customer_since"}
    before = None
    if previous is not None:
        before = previous.rename(columns).with_columns(pl.col("customer_id").str.replace("^acc_", "cus_"))
    linked = link(companies, before, happened_at=happened_at).assignment
    named = linked.select(
        *("record_id", "match_probability", "evidence"),
        account_id=pl.col("customer_id").str.replace("^cus_", "acc_"),
        account_since="customer_since",
    )
    return companies.select("record_id", "source", "source_id", "domain").join(
        named, on="record_id", maintain_order="left"
    )


def _relinked(
    con: duckdb.DuckDBPyConnection,
    records: pl.DataFrame,
    previous: pl.DataFrame,
    decided: pl.DataFrame,
    happened_at: datetime,
    former: pl.DataFrame | None,
) -> Linked | None:
    """What linking comes to where few records changed; None where many did."""
    change = memory.update(con, records, parties(decided))
    if change is None:
        return None
    known = memory.recall(con)
    fresh = pairs.of_touched(con, known.model)
    weighed, among = memory.reached(con, known, change, fresh, decided)
    persons = find_persons(con, known.model, weighed, decided, (known.labels, among))
    review = worth_asking(con, persons)
    looked_at = pl.concat([persons.members["record_id"], change.records]).unique().implode()
    was_looked_at = previous["record_id"].is_in(looked_at)
    assignment, history = _assigned(
        records.filter(pl.col("record_id").is_in(looked_at)),
        persons,
        previous.filter(was_looked_at),
        happened_at,
        former,
        previous["customer_id"],
    )
    rest = previous.filter(~was_looked_at).select(assignment.columns)
    more, assignment = left_behind(previous, history, former), pl.concat([rest, assignment])
    mark = _mark(assignment)
    memory.note(con, mark, fresh, change, persons)
    return Linked(assignment, history, more, review, mark, len(change.records))


def _assigned(
    records: pl.DataFrame,
    persons: Persons,
    previous: pl.DataFrame | None,
    happened_at: datetime,
    former: pl.DataFrame | None,
    taken: pl.Series | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = clustered(records, persons)
    assignment, history = assign(found.drop("evidence"), previous, happened_at=happened_at, taken=taken, former=former)
    told = assignment.join(found.select("record_id", "evidence"), on="record_id", maintain_order="left")
    columns = ("record_id", "customer_id", "cluster_id", "match_probability", "evidence", "customer_since")
    return told.select(columns), history


def _mark(assignment: pl.DataFrame) -> str:
    """Says which assignment this is, whatever the order of its rows."""
    ids = assignment.select("record_id", "customer_id", "cluster_id")
    return "".join(f"{int(ids.hash_rows(seed).sum()) % 2**64:016x}" for seed in (1, 2))


def _of_known(records: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    if decisions.is_empty():
        return decisions
    ids = records["record_id"].implode()
    are_there = pl.col("record_left").is_in(ids) & pl.col("record_right").is_in(ids)
    return decisions.filter(are_there & (pl.col("record_left") != pl.col("record_right")))
