"""What people are shown of pairs of records, and whom they mean by a name: reads the published warehouse and decisions.

It opens nothing for writing, so it answers while a night runs. Deciding is `warehouse.decisions`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse import decisions, store
from warehouse.decisions import Decision
from warehouse.home import Home
from warehouse.store import StoreError

if TYPE_CHECKING:
    from transforms.identity import Explainer


@dataclass(frozen=True)
class Question:
    """A pair of the queue. `probability` that it is one person; evidence in words."""

    left: str
    right: str
    left_customer: str
    right_customer: str
    probability: float
    for_evidence: str
    against_evidence: str


@dataclass(frozen=True)
class Named:
    """Whom somebody means: a record, or all records of a customer, its contacts first."""

    name: str
    customer_id: str
    records: tuple[str, ...]
    is_record: bool


class Matches:
    """The published pairs, records and customers, and what was decided since."""

    def __init__(self, con: duckdb.DuckDBPyConnection, home: Home) -> None:
        self._con = con
        self._home = home

    def queue(self) -> list[Question]:
        """What waits for a decision, those put off last; without what was decided since the last refresh."""
        standing = decisions.standing(decisions.read(self._home))
        asked = self._con.execute(
            "SELECT left_record, right_record, left_customer_id, right_customer_id, probability, for_evidence, "
            "against_evidence FROM identity.review ORDER BY position"
        ).fetchall()
        waiting = [Question(*row) for row in asked]
        fresh = [q for q in waiting if (q.left, q.right) not in standing]
        put_off = [d.pair for d in sorted(standing.values(), key=lambda d: d.decided_at) if d.verdict == "later"]
        by_pair = {(q.left, q.right): q for q in waiting}
        return [*fresh, *(by_pair[pair] for pair in put_off if pair in by_pair)]

    def named(self, name: str) -> Named:
        """The record or customer of that id, also one that the customer had before a merge.

        Raises:
            StoreError: there is no such record or customer.
        """
        row = self._con.execute("SELECT customer_id FROM identity.assignment WHERE record_id = ?", [name]).fetchone()
        if row:
            return Named(name, row[0], (name,), is_record=True)
        alias = self._con.execute(
            "SELECT current_customer_id FROM identity.customer_alias WHERE customer_id = ?", [name]
        ).fetchone()
        if alias is None:
            raise StoreError(f"There is no record or customer {name}; ids are in identity.record and core.customer.")
        if alias[0] is None:
            raise StoreError(f"All records of customer {name} are gone from the sources.")
        records = self._con.execute(
            "SELECT record_id FROM identity.assignment INNER JOIN identity.record USING (record_id) "
            "WHERE customer_id = ? ORDER BY kind <> 'contact', record_id",
            [alias[0]],
        ).fetchall()
        return Named(name, alias[0], tuple(record for (record,) in records), is_record=False)

    def pair(self, one: str, other: str) -> tuple[str, str]:
        """The two records that a decision about records or customers is about.

        For customers the pair that is asked about, if one is, else a contact of each.

        Raises:
            StoreError: there is no such record or customer, or the two are one already.
        """
        left, right = self.named(one), self.named(other)
        if left.customer_id == right.customer_id and not (left.is_record and right.is_record):
            records = self.named(left.customer_id).records
            raise StoreError(f"{one} and {other} are one customer; name two of its records: {', '.join(records)}.")
        asked = [
            (q.left, q.right)
            for q in self.queue()
            if (q.left in left.records and q.right in right.records)
            or (q.left in right.records and q.right in left.records)
        ]
        return asked[0] if asked else (left.records[0], right.records[0])

    def decided_about(self, one: str, other: str) -> list[Decision]:
        """What stands or still holds about two records, or any records of two customers; the records may be gone."""
        sides = [{name, *self._records_of(name)} for name in (one, other)]
        log = decisions.read(self._home)
        standing = {d.decision_id for d in decisions.standing(log).values()}
        return [
            d
            for d in log
            if (d.decision_id in standing or self._published_state(d))
            and any(d.record_left in sides[i] and d.record_right in sides[1 - i] for i in (0, 1))
        ]

    def _records_of(self, name: str) -> tuple[str, ...]:
        try:
            return self.named(name).records
        except StoreError:
            return ()

    def record(self, record_id: str) -> Mapping[str, Any]:
        """A record with its customer, and the orders and revenue of that."""
        found = self._con.execute(
            "SELECT record.*, assignment.customer_id, customer.records AS customer_records, customer.orders, "
            "customer.net_revenue_base FROM identity.record AS record "
            "INNER JOIN identity.assignment AS assignment USING (record_id) "
            "LEFT JOIN mart.customer_360 AS customer USING (customer_id) WHERE record_id = ?",
            [record_id],
        )
        row = found.fetchone()
        if row is None:
            raise StoreError(f"There is no record {record_id}; ids are in identity.record.")
        return dict(zip([column[0] for column in found.description], row, strict=True))

    def state_of(self, decision: Decision) -> str:
        """Whether the last refresh knew the decision, what it made of it, and whether it was undone since."""
        published = self._published_state(decision)
        if decision.undone_at:
            return f"undone by {decision.undone_by}{'; holds until the next refresh' if published else ''}"
        if decision.verdict == "later":
            return "put off"
        return published or "takes effect with the next refresh"

    def _published_state(self, decision: Decision) -> str | None:
        row = self._con.execute(
            "SELECT state, contradicted_by FROM identity.decision WHERE decision_id = ?", [decision.decision_id]
        ).fetchone()
        if row is None:
            return None
        state, by = row
        return f"contradicted by {by}" if by else str(state).replace("_", " ")

    @contextmanager
    def explainer(self) -> Iterator[Explainer]:
        """Explains pairs of records; learning from all records takes its time."""
        from transforms.identity import explaining

        with explaining(self._con.sql("FROM identity.record").pl()) as explainer:
            yield explainer


@contextmanager
def published_matches(home: Home) -> Iterator[Matches]:
    """The matches of the published warehouse.

    Raises:
        StoreError: nothing is published yet, or it was published before there was a queue.
    """
    if not home.warehouse.exists():
        raise StoreError(f"Nothing is published yet: {home.warehouse} does not exist. Run `millpond run`.")
    with store.connect(home.warehouse, read_only=True) as con:
        if not store.exists(con, "identity", "review"):
            raise StoreError("The published warehouse has no identity.review yet. Run `millpond run`.")
        yield Matches(con, home)
