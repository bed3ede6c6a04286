"""How much of the demo company's truth the warehouse finds: who is who, what happened, and which days were odd.

Reads a warehouse that a night has published and the truth beside it; measuring time is bench/night.py's. Run:
python -m bench truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from bench.marts import by_key, differing, rightly_told
from sandbox.expected import EXPECTED, Facts

#: An outage shows in parcels and payments days later; such alarms are no false ones, if not in the plan either.
AFTERMATH = timedelta(days=3)
_SERIES = ("metric", "dimension", "member")


@dataclass(frozen=True)
class IdentityScore:
    """How well records are linked to people; pairs are pairs of records."""

    records: int
    people: int
    customers: int
    right_pairs: int
    linked_pairs: int
    true_pairs: int
    merged_people: int
    split_people: int

    @property
    def precision(self) -> float:
        """Share of the linked pairs that are one person."""
        return self.right_pairs / max(self.linked_pairs, 1)

    @property
    def recall(self) -> float:
        """Share of the pairs of one person that are linked."""
        return self.right_pairs / max(self.true_pairs, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.right_pairs / max(self.linked_pairs + self.true_pairs, 1)

    @property
    def differing_pairs(self) -> int:
        """Pairs that are together in one of the two and apart in the other."""
        return self.linked_pairs + self.true_pairs - 2 * self.right_pairs


def identity_score(linked: pl.DataFrame, people: pl.DataFrame) -> IdentityScore:
    """Compare customers with people.

    A record that several people use, such as a family's mailbox, counts once for each of them: linking it to one
    customer merges them.

    Args:
        linked: record_id, customer_id.
        people: record_id, person_id.
    """
    both = people.select("record_id", "person_id").unique().join(linked, on="record_id")
    cells = both.group_by("customer_id", "person_id").len()
    by_customer = both.group_by("customer_id").agg(pl.len(), people=pl.col("person_id").n_unique())
    by_person = both.group_by("person_id").agg(pl.len(), customers=pl.col("customer_id").n_unique())
    return IdentityScore(
        records=both.height,
        people=by_person.height,
        customers=by_customer.height,
        right_pairs=pairs_within(cells),
        linked_pairs=pairs_within(by_customer),
        true_pairs=pairs_within(by_person),
        merged_people=int(by_customer.filter(pl.col("people") > 1)["people"].sum()),
        split_people=by_person.filter(pl.col("customers") > 1).height,
    )


def pairs_within(counted: pl.DataFrame) -> int:
    """Pairs of records in groups whose sizes are in `len`."""
    return int((counted["len"].cast(pl.Int64) * (counted["len"].cast(pl.Int64) - 1) // 2).sum())


def identity(company: Path) -> dict[str, Any]:
    """The identity score of a company's published warehouse as one row."""
    people = _truth(company, "identity")
    linked = _ask(company, "SELECT record_id, customer_id FROM identity.assignment")
    score = identity_score(linked, people)
    unknown = people.join(linked, on="record_id", how="anti").height
    return {**score.__dict__, "precision": score.precision, "recall": score.recall, "records_not_found": unknown}


def shared_contacts(company: Path) -> list[dict[str, Any]]:
    """How many of those who share a mailbox, a telephone or an inbox were taken for one person.

    Counted are pairs of people each of whom has contacts of their own. A pair is merged if two of these are one
    customer; of namesakes in one home nobody could tell. Orders and payments that name but the shared address are
    set aside: it says no more of the one than of the other.
    """
    linked = _ask(company, "SELECT record_id, customer_id FROM identity.assignment")
    return merged_pairs(linked, _truth(company, "identity"), _truth(company, "shared_contact"))


def merged_pairs(linked: pl.DataFrame, people: pl.DataFrame, pairs: pl.DataFrame) -> list[dict[str, Any]]:
    """Pairs of people who share something, by what it is, and how many of them are merged.

    Args:
        linked: record_id, customer_id.
        people: record_id, person_id.
        pairs: kind, person_id, other_id, are_namesakes.
    """
    contacts = people.filter(pl.col("record_id").str.starts_with("contact:")).join(linked, on="record_id")
    customers = dict(contacts.group_by("person_id").agg(pl.col("customer_id").unique()).iter_rows())
    rows = {
        kind: {"shared": kind, "pairs": 0, "merged": 0, "of_them_namesakes": 0}
        for kind in sorted(pairs["kind"].unique())
    }
    for pair in pairs.iter_rows(named=True):
        if pair["person_id"] in customers and pair["other_id"] in customers:
            is_merged = not set(customers[pair["person_id"]]).isdisjoint(customers[pair["other_id"]])
            row = rows[pair["kind"]]
            row["pairs"] += 1
            row["merged"] += is_merged
            row["of_them_namesakes"] += is_merged and pair["are_namesakes"]
    return [{**row, "rate": row["merged"] / max(row["pairs"], 1)} for row in rows.values()]


def customers(company: Path) -> dict[str, Any]:
    """How many people are one customer each, with all their records and nobody else's, as one row."""
    true, seen = Facts(company), _seen(company)
    right = rightly_told(true, seen)
    own = EXPECTED["mart.customer_360"](true)
    buyers = [person for (person,), row in own.items() if row["orders"]]
    return {
        "people": len(true.records),
        "told_apart": len(right),
        "share": len(right) / len(true.records),
        "buyers": len(buyers),
        "buyers_told_apart": sum(person in right for person in buyers),
    }


def marts(company: Path) -> list[dict[str, Any]]:
    """By mart how many numbers there are and how many are wrong, for the customers that people were taken for."""
    seen = _seen(company)
    rows = []
    for table, expect in EXPECTED.items():
        expected = expect(seen)
        found = by_key(table, _ask(company, f"SELECT * FROM {table}").iter_rows())
        values = sum(len(row) for row in expected.values())
        rows.append({"mart": table, "rows": len(found), "values": values, "wrong": len(differing(found, expected))})
    return rows


def _seen(company: Path) -> Facts:
    return Facts(company, dict(_ask(company, "SELECT record_id, customer_id FROM identity.assignment").iter_rows()))


def events(company: Path) -> pl.DataFrame:
    """One row per planted event and metric: how many of its days were flagged in its direction."""
    planted = _truth(company, "anomalies")
    found = _flagged(company).select(*_SERIES, "date", is_up=pl.col("value") > pl.col("expected"))
    days = _event_days(planted).join(found, on=[*_SERIES, "date"], how="left")
    hit = pl.col("is_up") == (pl.col("direction") == "up")
    keys = ["event", "metric", "dimension", "member", "direction", "factor", "is_primary", "first_day"]
    return (
        days.group_by(keys)
        .agg(days=pl.len(), flagged_days=hit.fill_null(False).sum())
        .with_columns(kind=pl.col("event").str.replace(r" \d{4}-\d\d-\d\d$", ""))
        .sort("first_day", "event", "is_primary", "metric", descending=[False, False, True, False])
    )


def event_recall(scored: pl.DataFrame) -> list[dict[str, Any]]:
    """By kind of event and over all: found in the metric that was meddled with, and in any metric it shows in."""
    by_event = scored.group_by("kind", "event", maintain_order=True).agg(
        primary=((pl.col("flagged_days") > 0) & pl.col("is_primary")).any(),
        any=(pl.col("flagged_days") > 0).any(),
    )
    kinds = by_event.group_by("kind", maintain_order=True).agg(
        events=pl.len(), found=pl.col("primary").sum(), found_in_any=pl.col("any").sum()
    )
    total = {"kind": "all", **{c: int(kinds[c].sum()) for c in ("events", "found", "found_in_any")}}
    return [*kinds.to_dicts(), total]


def alarms(company: Path) -> list[dict[str, Any]]:
    """Precision over the totals and over all series, and false alarms for every 1000 values.

    An alarm is right if its metric has an event on that day, in any dimension: a day without orders is one for every
    country. `explained` counts also alarms of other metrics on days of an event and the three days after: orders that
    fail to come are not sent either.
    """
    planted = _event_days(_truth(company, "anomalies"))
    right = planted.select("metric", "date").unique().with_columns(is_right=pl.lit(True))
    spread = [planted.select(date=pl.col("date") + timedelta(days=n)) for n in range(AFTERMATH.days + 1)]
    odd_days = pl.concat(spread).unique().with_columns(is_odd_day=pl.lit(True))
    judged = (
        _flagged(company)
        .join(right, on=["metric", "date"], how="left")
        .join(odd_days, on="date", how="left")
        .with_columns(pl.col("is_right", "is_odd_day").fill_null(False))
    )
    values = _ask(company, "SELECT metric, dimension, count(*) AS n FROM mart.metric_daily GROUP BY ALL")
    with_events = planted["metric"].unique().to_list()
    scopes = {
        "totals of metrics with events": (pl.col("dimension") == "total") & pl.col("metric").is_in(with_events),
        "all totals": pl.col("dimension") == "total",
        "all series": pl.lit(True),
    }
    return [_alarm_row(name, judged.filter(scope), values.filter(scope)) for name, scope in scopes.items()]


def _alarm_row(name: str, judged: pl.DataFrame, values: pl.DataFrame) -> dict[str, Any]:
    flagged, right = judged.height, int(judged["is_right"].sum())
    explained = judged.filter(pl.col("is_right") | pl.col("is_odd_day")).height
    days = int(values["n"].sum())
    return {
        "series": name,
        "values": days,
        "alarms": flagged,
        "right": right,
        "explained": explained,
        "precision": right / max(flagged, 1),
        "precision_explained": explained / max(flagged, 1),
        "false_per_1000": 1000 * (flagged - right) / max(days, 1),
        "unexplained_per_1000": 1000 * (flagged - explained) / max(days, 1),
    }


def alarms_by_metric(company: Path) -> list[dict[str, Any]]:
    """Where the alarms come from: by metric and dimension, with their share of the values."""
    found = _ask(
        company,
        "WITH alarm AS (SELECT metric, dimension, count(*) AS alarms FROM insight.anomaly GROUP BY ALL) "
        "SELECT m.metric, m.dimension, count(DISTINCT m.member) AS series, count(*) AS values, "
        "coalesce(any_value(alarms), 0) AS alarms FROM mart.metric_daily AS m "
        "LEFT JOIN alarm USING (metric, dimension) GROUP BY ALL",
    )
    rate = (1000 * pl.col("alarms") / pl.col("values")).alias("per_1000")
    return found.with_columns(rate).sort("alarms", "metric", "dimension", descending=[True, False, False]).to_dicts()


def _event_days(planted: pl.DataFrame) -> pl.DataFrame:
    days = pl.date_ranges("first_day", "last_day")
    return planted.with_columns(date=days).explode("date", empty_as_null=False)


def _flagged(company: Path) -> pl.DataFrame:
    return _ask(company, "SELECT metric, dimension, member, date, value, expected FROM insight.anomaly")


def _truth(company: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(company / "truth" / f"{name}.parquet")


def _ask(company: Path, sql: str) -> pl.DataFrame:
    with duckdb.connect(str(company / "lake" / "warehouse.duckdb"), read_only=True) as con:
        return con.sql(sql).pl()


def run(company: Path) -> dict[str, Any]:
    """Everything about one company, ready for JSON."""
    scored = events(company)
    return {
        "identity": identity(company),
        "customers": customers(company),
        "shared_contacts": shared_contacts(company),
        "marts": marts(company),
        "event_recall": event_recall(scored),
        "events": scored.drop("first_day").to_dicts(),
        "alarms": alarms(company),
        "alarms_by_metric": alarms_by_metric(company),
    }


def tables(result: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Titles and rows to print."""
    yield "Identity: records linked to people", [result["identity"]]
    yield "People who are one customer each", [result["customers"]]
    yield "Numbers of the marts against the truth", result["marts"]
    yield "People who share a mailbox, a telephone or an inbox", result["shared_contacts"]
    yield "Planted events found", result["event_recall"]
    yield "Planted events and the metrics they show in", result["events"]
    yield "Alarms", result["alarms"]
    yield "Alarms by metric (the 25 with most)", result["alarms_by_metric"][:25]
