"""A night over the demo company against what is truly so in it, and a second night after two known edits.

Small scale, and one run of each night for all tests; how good the figures are at full size is bench/truth.py's.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import pytest

from bench.truth import identity_score
from pipelines.run import run_night
from sandbox import edit, generate
from warehouse.company import Company, load_company
from warehouse.contracts import entities, tables

SCALE = 0.05
ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Demo:
    """The company on disk after a night."""

    company: Company

    def ask(self, sql: str, **frames: pl.DataFrame) -> list[tuple[Any, ...]]:
        """Rows of a query over the published warehouse and the frames, by their names."""
        with duckdb.connect(str(self.company.home.warehouse), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            for name, frame in frames.items():
                con.register(name, frame.to_arrow())
            return con.execute(sql).fetchall()

    def truth(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.company.root / "truth" / f"{name}.parquet")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The company after its first night; tests must not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        folder = tmp_path_factory.mktemp("demo") / "company"
        generate.write(folder, scale=SCALE)
        company = load_company(folder)
        outcome = run_night(company, say=lambda _: None)
    assert outcome.published, outcome.failure
    assert outcome.failed_loads == {}
    yield Demo(company)
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Edited:
    """The company after the edits and a second night."""

    demo: Demo
    added: edit.Change
    changed: edit.Change


@pytest.fixture(scope="module")
def second(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Edited:
    """A copy of the company, edited, after its second night."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        folder = tmp_path_factory.mktemp("demo") / "edited"
        # Times of files go along: they tell the night what has not changed.
        shutil.copytree(demo.company.root, folder)
        added, changed = edit.add_month(folder, orders=5), edit.change_order(folder, value="Hamburg-Altona")
        company = load_company(folder)
        outcome = run_night(company, say=lambda _: None, sources=["shop"])
    assert outcome.published, outcome.failure
    return Edited(Demo(company), added, changed)


def quarantined(demo: Demo) -> Counter[tuple[Any, ...]]:
    every = " UNION ALL ".join(
        f"SELECT source, '{name}' AS entity, source_id, unnest(reasons) FROM quarantine.{name}" for name in entities()
    )
    return Counter(demo.ask(every))


def planted(demo: Demo, outcome: str) -> pl.DataFrame:
    return demo.truth("bad_rows").filter(pl.col("outcome") == outcome)


def test_quarantine_holds_the_planted_rows_for_their_reasons_and_nothing_else(demo: Demo) -> None:
    expected = planted(demo, "quarantine").select("source", "entity", "source_id", "reason")
    assert expected.height > 40
    assert quarantined(demo) == Counter(expected.rows())


def test_unreadable_lines_are_set_aside_with_their_place(demo: Demo) -> None:
    expected = planted(demo, "rejected_line").select("source", "file", "line")
    assert sorted(demo.ask("SELECT source, file, line FROM quarantine.rejected_line")) == sorted(expected.rows())


def test_rows_that_come_twice_are_dropped_once(demo: Demo) -> None:
    expected = planted(demo, "dropped").group_by("source", "entity").len()
    found = demo.ask("SELECT source, entity, superseded_rows FROM meta.reconciliation WHERE superseded_rows > 0")
    assert sorted(found) == sorted(expected.rows())


def test_row_counts_are_those_of_the_truth(demo: Demo) -> None:
    totals = demo.truth("totals").filter(pl.col("measure") == "rows")
    expected = {(entity, source): value for entity, source, value in totals.select("entity", "source", "value").rows()}
    every = " UNION ALL ".join(f"SELECT '{name}', source, count(*) FROM clean.{name} GROUP BY 2" for name in entities())
    assert {(entity, source): count for entity, source, count in demo.ask(every)} == expected


def test_every_raw_row_is_accounted_for(demo: Demo) -> None:
    assert demo.ask("SELECT * FROM meta.reconciliation WHERE difference <> 0") == []
    assert demo.ask("SELECT count(*) > 30 FROM meta.reconciliation") == [(True,)]


def test_mended_values_are_as_the_truth_says(demo: Demo) -> None:
    mended = demo.truth("mended_values")
    wrong: list[tuple[Any, ...]] = []
    for (entity, column), wanted in mended.group_by("entity", "column"):
        kind = entities()[str(entity)].column(str(column)).duckdb_type
        wrong += demo.ask(
            f"SELECT '{entity}', '{column}', w.source, w.source_id, w.dirty, w.clean, c.\"{column}\"::VARCHAR "
            f"FROM wanted AS w LEFT JOIN clean.{entity} AS c ON c.source = w.source AND c.source_id = w.source_id "
            f'WHERE c.source_id IS NULL OR c."{column}" IS DISTINCT FROM CAST(w.clean AS {kind})',
            wanted=wanted,
        )
    assert mended.height > 500
    assert wrong == []


def measure(table: str, value: str, day: str, where: str = "true", currency: str = "currency") -> str:
    """Sums by source, currency and month."""
    return (
        f"SELECT source, {currency}, strftime({day}, '%Y-%m'), CAST(sum({value}) AS BIGINT) "
        f"FROM {table} WHERE {where} GROUP BY ALL"
    )


def cents(table: str, amount: str, day: str, where: str = "true") -> str:
    """Sums of money by source, currency and month, in cents."""
    return measure(table, f"100 * {amount}", day, where)


def local(moment: str) -> str:
    return f"{moment} AT TIME ZONE '{ZONE}'"


LINES_WITH_ORDERS = (
    "(SELECT l.source, l.total, l.currency, o.ordered_at FROM clean.order_line AS l "
    "JOIN clean.sales_order AS o ON o.source = l.source AND o.source_id = l.order_id)"
)
MEASURES = {
    "order_total": [
        cents("clean.sales_order", "total", local("ordered_at")),
        cents("core.sales_order", "total", "ordered_date"),
    ],
    "order_total_not_cancelled": [
        cents("clean.sales_order", "total", local("ordered_at"), "status <> 'cancelled'"),
        cents("core.sales_order", "total", "ordered_date", "status <> 'cancelled'"),
    ],
    **{
        f"order_{part}": [
            cents("clean.sales_order", part, local("ordered_at")),
            cents("core.sales_order", part, "ordered_date"),
        ]
        for part in ("discount", "shipping", "tax")
    },
    "line_total": [
        cents(LINES_WITH_ORDERS, "total", local("ordered_at")),
        cents("core.order_line", "total", "ordered_date"),
    ],
    **{
        f"payment_{status}": [
            cents("clean.payment", "amount", local("paid_at"), f"status = '{status}'"),
            cents("core.payment", "amount", "paid_date", f"status = '{status}'"),
        ]
        for status in ("succeeded", "failed")
    },
    "refund_amount": [
        cents("clean.refund", "amount", local("refunded_at")),
        cents("core.refund", "amount", "refunded_date"),
    ],
    "invoice_total": [
        cents("clean.invoice", "total", "issued_date"),
        cents("core.invoice", "total", "issued_date"),
    ],
    "deal_won_amount": [
        cents("clean.deal", "amount", local("closed_at"), "status = 'won'"),
        cents("core.deal", "amount", "closed_date", "status = 'won'"),
    ],
    "ad_spend": [
        cents("clean.ad_performance", "spend", "date"),
        cents("core.ad_performance", "spend", "date"),
    ],
    "web_sessions": [
        measure("clean.web_session", "sessions", local("started_at"), currency="NULL"),
        measure("core.web_session", "sessions", "started_date", currency="NULL"),
    ],
}


@pytest.mark.parametrize("name", MEASURES)
def test_totals_agree_to_the_cent(demo: Demo, name: str) -> None:
    totals = demo.truth("totals").filter(pl.col("measure") == name, pl.col("value") != 0)
    expected = totals.select("source", "currency", "month", "value").rows()
    assert expected
    for sql in MEASURES[name]:
        assert {row for row in demo.ask(sql) if row[-1]} == set(expected), sql


def test_no_total_of_the_truth_is_left_out(demo: Demo) -> None:
    assert set(demo.truth("totals")["measure"]) - {"rows"} == set(MEASURES)


def test_every_reference_of_the_model_leads_somewhere(demo: Demo) -> None:
    pairs = [(c, r) for c in tables().values() if c.schema in ("core", "mart", "identity") for r in c.references]
    lost = {
        f"{c.table}.{r.column}": demo.ask(
            f"SELECT count(*) FROM {c.table} AS child ANTI JOIN {r.to_table} AS parent "
            f'ON parent."{r.to_column}" = child."{r.column}" WHERE child."{r.column}" IS NOT NULL'
        )[0][0]
        for c, r in pairs
        if "." in r.to_table
    }
    assert len(lost) > 30
    assert {column: count for column, count in lost.items() if count} == {}


def test_people_are_found_again_and_shared_mailboxes_merge_them(demo: Demo) -> None:
    people = demo.truth("identity")
    linked = pl.DataFrame(
        demo.ask("SELECT record_id, customer_id FROM identity.assignment"),
        schema=["record_id", "customer_id"],
        orient="row",
    )
    score = identity_score(linked, people)
    assert score.precision > 0.5
    assert score.recall > 0.5
    # Equal keys cannot tell two people with one mailbox apart; it would be dishonest to count on it.
    shared = people.group_by("record_id").agg(pl.col("person_id").n_unique()).filter(pl.col("person_id") > 1)
    assert shared.height
    assert score.merged_people >= shared.height


def differing_rows(before: Demo, after: Demo, *schemas: str) -> dict[str, int]:
    """Rows that only one of two warehouses has, by table."""
    with duckdb.connect() as con:
        for name, one in (("before", before), ("after", after)):
            con.execute(f"ATTACH '{one.company.home.warehouse}' AS \"{name}\" (READ_ONLY)")
        found = {}
        for table in (t for t, c in tables().items() if c.schema in schemas):
            one_sided = " UNION ALL ".join(
                f"(SELECT * FROM {a}.{table} EXCEPT ALL SELECT * FROM {b}.{table})"
                for a, b in (("before", "after"), ("after", "before"))
            )
            row = con.execute(f"SELECT count(*) FROM ({one_sided})").fetchone()
            found[table] = row[0] if row else 0
    return {table: count for table, count in found.items() if count}


def test_a_second_night_changes_just_what_was_edited(demo: Demo, second: Edited) -> None:
    lines = second.demo.ask("SELECT count(*) FROM clean.order_line WHERE source_id LIKE '93%'")[0][0]
    assert lines >= len(second.added.added) == 5
    # The edited order differs before and after; the new ones are only there after.
    assert differing_rows(demo, second.demo, "clean") == {"clean.sales_order": 5 + 2, "clean.order_line": lines}
    assert quarantined(second.demo) == quarantined(demo)


def test_a_new_months_orders_arrive_with_their_lines(second: Edited) -> None:
    found = second.demo.ask("SELECT source_id, ordered_date::VARCHAR FROM core.sales_order WHERE source_id LIKE '52%'")
    assert sorted(found) == [(order, "2026-11-01") for order in second.added.added]
    lines = "SELECT count(DISTINCT order_id) FROM core.order_line WHERE source_id LIKE '93%'"
    assert second.demo.ask(lines) == [(len(second.added.added),)]


def test_a_changed_order_is_changed_in_the_model_and_no_other_is(demo: Demo, second: Edited) -> None:
    cities = "SELECT source_id, ship_city FROM core.sales_order"
    before, after = dict(demo.ask(cities)), dict(second.demo.ask(cities))
    moved = {order: city for order, city in after.items() if before.get(order, city) != city}
    assert moved == dict.fromkeys(second.changed.changed, "Hamburg-Altona")


def test_customers_keep_their_ids(demo: Demo, second: Edited) -> None:
    ids = "SELECT record_id, customer_id FROM identity.assignment"
    assert dict(second.demo.ask(ids)) == dict(demo.ask(ids))
