"""Who is who among person records: pure functions from records to persons and their lasting ids.

Reading and writing tables belongs to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from transforms.identity import workbench
from transforms.identity.assignment import assign, left_behind
from transforms.identity.persons import clustered, find_persons, parties
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
    """

    assignment: pl.DataFrame
    history: pl.DataFrame
    former: pl.DataFrame
    review: pl.DataFrame


def resolve(records: pl.DataFrame) -> pl.DataFrame:
    """Group records into persons, or organisations, by all that they say.

    Every column but record_id and source may be missing or null. Nulls, placeholders and values that many share link
    nothing. The result depends on the contents of the records alone, not on their order or ids.

    Args:
        records: one row per record with record_id and source, and any of external_id, given_name, family_name,
            full_name, email, phone, company_name, street, city, postcode and birth_date (a date or text). Other
            columns are ignored, region and country among them: town and postcode tell more.

    Returns:
        record_id, cluster_id (the smallest record_id of the cluster) and match_probability (of the record's best link
        within its cluster, 1.0 for a record alone), in the order of the records.

    Raises:
        IdentityError: record_id is missing, null or occurs twice.
    """
    workbench.check(records)
    with workbench.workbench(records) as con:
        persons = find_persons(con, pl.DataFrame(schema=_DECISION))
    return clustered(records, persons).drop("evidence")


def link(
    records: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    happened_at: datetime,
    decisions: pl.DataFrame | None = None,
    former: pl.DataFrame | None = None,
) -> Linked:
    """Resolve records, obey what people decided, give each record its customer id, and find what to ask people.

    Args:
        records: rows of identity.record.
        previous: rows of identity.assignment of the night before; None on the first night.
        happened_at: the night's time, for history and the ids' age.
        decisions: record_left, record_right, verdict ('same' or 'different'); records that are gone are passed over.
        former: rows of identity.former_id, so that what is undone gets its old id back.
    """
    workbench.check(records)
    decided = _of_known(records, pl.DataFrame(schema=_DECISION) if decisions is None else decisions)
    with workbench.workbench(records, parties(decided)) as con:
        persons = find_persons(con, decided)
    found = clustered(records, persons)
    assignment, history = assign(found.drop("evidence"), previous, happened_at=happened_at, former=former)
    told = assignment.join(found.select("record_id", "evidence"), on="record_id", maintain_order="left")
    columns = ("record_id", "customer_id", "cluster_id", "match_probability", "evidence", "customer_since")
    return Linked(told.select(columns), history, left_behind(previous, history, former), worth_asking(persons))


def _of_known(records: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    ids = records["record_id"].implode()
    are_there = pl.col("record_left").is_in(ids) & pl.col("record_right").is_in(ids)
    return decisions.filter(are_there & (pl.col("record_left") != pl.col("record_right")))
