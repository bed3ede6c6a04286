"""A night over the demo company, its systems served over HTTP, against what is truly so in it; and a second night.

Small scale, and one run of each night for all tests; how good the figures are at full size is bench/truth.py's.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from bench.marts import by_key, compared, differing, numbers, rightly_told
from bench.truth import identity_score, merged_pairs
from pipelines.cli import load_commands
from pipelines.refresh.history import HISTORIES
from pipelines.run import Outcome, run_night
from sandbox import generate
from sandbox.expected import EXPECTED, Facts, Rows
from sandbox.serve import Sandbox, next_night, serving, store_path
from sandbox.store import Store
from sandbox.vendor import Changed
from transforms.history import BOOKKEEPING
from warehouse.company import Company, load_company
from warehouse.contracts import entities, tables
from warehouse.home import Home

SCALE = 0.05
ZONE = "Europe/Berlin"
#: How many people, and what hangs on them, may be wrong because people were told apart wrongly.
IDENTITY_ERROR = 0.05


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


def night_over(folder: Path) -> tuple[Company, Outcome]:
    """A night over a company whose systems are served meanwhile."""
    with pytest.MonkeyPatch.context() as patch, serving(Sandbox(folder, ease=1_000)) as running:
        patch.delenv("MILLPOND_HOME", raising=False)
        patch.setenv("SANDBOX_URL", running.url)
        company = load_company(folder)
        return company, run_night(company, say=lambda _: None)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The company after its first night; tests must not change it."""
    folder = tmp_path_factory.mktemp("demo") / "company"
    generate.write(folder, scale=SCALE)
    company, outcome = night_over(folder)
    assert outcome.published, outcome.failure
    assert outcome.failed_loads == {}
    yield Demo(company)
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Later:
    """The company after a day has passed and a second night; `changes` by vendor and collection."""

    demo: Demo
    changes: dict[str, dict[str, Changed]]


@pytest.fixture(scope="module")
def second(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Later:
    """A copy of the company, a day later, after its second night."""
    folder = tmp_path_factory.mktemp("demo") / "later"
    # Times of files go along: they tell the night what has not changed.
    shutil.copytree(demo.company.root, folder)
    changes = next_night(folder)
    generate.next_day(folder)
    company, outcome = night_over(folder)
    assert outcome.published, outcome.failure
    assert outcome.failed_loads == {}
    return Later(Demo(company), changes)


def quarantined(demo: Demo) -> Counter[tuple[Any, ...]]:
    every = " UNION ALL ".join(
        f"SELECT source, '{name}' AS entity, source_id, unnest(reasons) FROM quarantine.{name}" for name in entities()
    )
    return Counter(demo.ask(every))


def planted(demo: Demo, outcome: str) -> pl.DataFrame:
    return demo.truth("bad_rows").filter(pl.col("outcome") == outcome)


def test_quarantine_holds_the_planted_rows_for_their_reasons_and_nothing_else(demo: Demo) -> None:
    expected = planted(demo, "quarantine").select("source", "entity", "source_id", "reason")
    assert expected.height > 20
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


def test_credit_for_orders_adds_up_under_every_model(demo: Demo) -> None:
    orders = demo.ask("SELECT count(*), sum(net_revenue_base) FROM core.sales_order WHERE is_counted")[0]
    by_model = "SELECT model, sum(credit), sum(credited_revenue_base), bool_or(is_fallback) FROM mart.attribution"
    assert demo.ask(f"{by_model} GROUP BY 1 ORDER BY 1") == [
        (model, *orders, False) for model in ("data_driven", "first", "last", "linear", "position", "time_decay")
    ]
    by_order = """SELECT order_id, model FROM mart.attribution JOIN core.sales_order USING (order_id) GROUP BY ALL
                  HAVING sum(credit) <> 1 OR sum(credited_revenue_base) <> any_value(net_revenue_base)"""
    assert demo.ask(by_order) == []


def test_the_last_touch_is_at_least_what_orders_say_themselves(demo: Demo) -> None:
    compared = demo.ask(
        """SELECT own.campaign_id, own.orders, coalesce(last.orders, 0)
           FROM (SELECT campaign_id, sum(attributed_orders) AS orders FROM mart.marketing_performance GROUP BY 1) AS own
           LEFT JOIN (SELECT campaign_id, sum(credited_orders) AS orders FROM mart.attribution_daily
                      WHERE model = 'last' GROUP BY 1) AS last USING (campaign_id)
           WHERE own.campaign_id <> '(none)'"""
    )
    assert len(compared) > 20
    assert [row for row in compared if row[2] < row[1]] == []


@pytest.fixture(scope="module")
def true(demo: Demo) -> Facts:
    """What happened, and to whom."""
    return Facts(demo.company.root)


@pytest.fixture(scope="module")
def seen(demo: Demo) -> Facts:
    """What happened, to the customers that the night took people for."""
    return Facts(demo.company.root, dict(linked(demo).iter_rows()))


def mart(demo: Demo, table: str) -> Rows:
    """Rows of a table by its key."""
    return by_key(table, demo.ask(f"SELECT * FROM {table}"))


@pytest.mark.parametrize("table", EXPECTED)
def test_every_number_is_that_of_the_truth(demo: Demo, seen: Facts, table: str) -> None:
    found = mart(demo, table)
    assert found
    assert differing(found, EXPECTED[table](seen)) == []


#: Numbers that no truth is known of: `table.column`, and why.
NOT_COMPARED: dict[str, str] = {}


def test_no_number_is_left_out(seen: Facts) -> None:
    assert len(numbers()) > 100
    assert numbers() - compared(seen) == set(NOT_COMPARED)


def test_people_who_were_told_apart_have_their_own_numbers(demo: Demo, true: Facts, seen: Facts) -> None:
    right = rightly_told(true, seen)
    assert len(right) >= (1 - IDENTITY_ERROR) * len(true.records)
    own = EXPECTED["mart.customer_360"](true)
    expected = {(customer,): own[person,] for person, customer in right.items()}
    found = mart(demo, "mart.customer_360")
    assert differing({key: found[key] for key in expected}, expected) == []


def test_nothing_is_lost_between_people_who_were_not(demo: Demo, true: Facts) -> None:
    found, expected = mart(demo, "mart.customer_360"), EXPECTED["mart.customer_360"](true)
    for column, value in next(iter(expected.values())).items():
        # A record that two people use is one; goods that two bought are two; the rest are no sums.
        if isinstance(value, int | Decimal) and column not in ("records", "products") and "days" not in column:
            assert sum(row[column] for row in found.values()) == sum(row[column] for row in expected.values()), column


@pytest.mark.parametrize("table", [table for table in EXPECTED if table != "mart.customer_360"])
def test_numbers_are_near_those_of_the_people_there_really_are(demo: Demo, true: Facts, table: str) -> None:
    found, expected = mart(demo, table), EXPECTED[table](true)
    cells = found.keys() | expected.keys()
    for column in {column for row in expected.values() for column in row}:
        pairs = [(found.get(cell, {}).get(column) or 0, expected.get(cell, {}).get(column) or 0) for cell in cells]
        apart = sum(abs(float(one) - float(other)) for one, other in pairs if not isinstance(one, date))
        whole = sum(abs(float(other)) for _, other in pairs if not isinstance(other, date))
        assert apart <= IDENTITY_ERROR * whole, column


def test_people_are_found_again(demo: Demo) -> None:
    score = identity_score(linked(demo), demo.truth("identity"))
    assert score.precision > 1 - IDENTITY_ERROR
    assert score.recall > 1 - IDENTITY_ERROR


def test_people_who_share_a_mailbox_a_telephone_or_an_inbox_are_not_merged(demo: Demo) -> None:
    found = merged_pairs(linked(demo), demo.truth("identity"), demo.truth("shared_contact"))
    assert {row["shared"]: (row["pairs"] >= 5, row["merged"]) for row in found} == {
        "inbox of a firm": (True, 0),
        "mailbox and home": (True, 0),
        "telephone and home": (True, 0),
    }


def test_contacts_under_one_address_or_number_are_not_merged(demo: Demo) -> None:
    """Contacts of two people with one mailbox or one telephone are two customers."""
    people = demo.truth("identity")
    contacts = demo.ask("SELECT record_id, email, phone FROM identity.record WHERE kind = 'contact'")
    known = pl.DataFrame(contacts, schema=["record_id", "email", "phone"], orient="row")
    both = known.join(linked(demo), on="record_id").join(people.select("record_id", "person_id"), on="record_id")
    for shared in ("email", "phone"):
        pairs = both.join(both, on=shared).filter(
            (pl.col("record_id") < pl.col("record_id_right")) & (pl.col("person_id") != pl.col("person_id_right"))
        )
        assert pairs.height > 5
        assert pairs.filter(pl.col("customer_id") == pl.col("customer_id_right")).height == 0


def linked(demo: Demo) -> pl.DataFrame:
    """Which customer each person record is."""
    rows = demo.ask("SELECT record_id, customer_id FROM identity.assignment")
    return pl.DataFrame(rows, schema=["record_id", "customer_id"], orient="row")


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


def ids(later: Later, entity: str, source: str, where: str = "true") -> set[str]:
    rows = later.demo.ask(f"SELECT source_id FROM clean.{entity} WHERE source = '{source}' AND {where}")
    return {key for (key,) in rows}


@pytest.mark.parametrize(
    ("vendor", "collection", "source", "entity"),
    [
        ("shopify", "order", "shop", "sales_order"),
        ("hubspot", "contacts", "crm", "contact"),
        ("hubspot", "deals", "crm", "deal"),
        ("zendesk", "tickets", "helpdesk", "ticket"),
    ],
)
def test_what_a_day_brings_arrives_and_what_it_takes_is_marked(
    demo: Demo, second: Later, vendor: str, collection: str, source: str, entity: str
) -> None:
    changed = second.changes[vendor][collection]
    assert changed.added
    assert changed.deleted
    before = ids(Later(demo, {}), entity, source)
    assert set(changed.added) - before == set(changed.added)
    assert set(changed.added) <= ids(second, entity, source, "NOT is_deleted")
    assert set(changed.deleted) & before <= ids(second, entity, source, "is_deleted")


def test_a_day_changes_few_rows_and_files_that_stayed_change_none(demo: Demo, second: Later) -> None:
    found = differing_rows(demo, second.demo, "clean")
    assert found
    held = dict(second.demo.ask("SELECT entity, sum(clean_rows) FROM meta.reconciliation GROUP BY 1"))
    assert all(count < 0.2 * held[table.removeprefix("clean.")] + 30 for table, count in found.items()), found
    assert {"clean.shift", "clean.calendar", "clean.fx_rate", "clean.inventory_level"} & set(found) == set()
    assert quarantined(second.demo) >= quarantined(demo)


def test_sources_agree_with_their_systems_after_both_nights(demo: Demo, second: Later) -> None:
    for one in (demo, second.demo):
        assert one.ask("SELECT * FROM meta.source_count WHERE difference <> 0") == []
        assert one.ask("SELECT count(DISTINCT source) >= 5 FROM meta.source_count") == [(True,)]


def test_customers_keep_their_ids(demo: Demo, second: Later) -> None:
    linked = "SELECT record_id, customer_id FROM identity.assignment"
    before, after = dict(demo.ask(linked)), dict(second.demo.ask(linked))
    kept = [record for record, customer in before.items() if after.get(record) == customer]
    assert len(kept) > 0.98 * len(before)


# What people decide about who is who


@dataclass(frozen=True)
class Decided:
    """The company before, after a refresh with two decisions, and after a refresh with both undone.

    `merged` are two customers decided to be the same, `parted` two records of one customer decided to be different.
    """

    before: Demo
    after: Demo
    undone: Demo
    merged: tuple[str, str]
    parted: tuple[str, str]


MERGED = """
    SELECT left_record, right_record, left_customer_id, right_customer_id FROM identity.review
    INNER JOIN mart.customer_360 AS one ON one.customer_id = left_customer_id
    INNER JOIN mart.customer_360 AS other ON other.customer_id = right_customer_id
    WHERE NOT is_one_customer AND one.net_revenue_base > 0 AND other.net_revenue_base > 0 ORDER BY position LIMIT 1
"""
PARTED = """
    SELECT min(record_id), max(record_id) FROM core.customer_identity
    INNER JOIN mart.customer_360 AS customer USING (customer_id)
    WHERE customer.orders > 0 AND customer_id NOT IN (SELECT left_customer_id FROM identity.review)
    GROUP BY customer_id HAVING count(*) = 2 AND count(DISTINCT source) = 2 ORDER BY customer_id LIMIT 1
"""


@pytest.fixture(scope="module")
def decided(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    folder = tmp_path_factory.mktemp("demo") / "decided"
    shutil.copytree(demo.company.root, folder)
    (left, right, *merged), parted = demo.ask(MERGED)[0], demo.ask(PARTED)[0]
    millpond(folder, "review", left, right, "--same", "--note", "moved house")
    millpond(folder, "review", *parted, "--different")
    after = refreshed(folder)
    millpond(folder, "review", "--undo", left, right)
    millpond(folder, "review", "--undo", "2")
    return Decided(demo, after, refreshed(folder), tuple(merged), parted)


def millpond(folder: Path, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_URL", "http://127.0.0.1:1")
        done = CliRunner().invoke(load_commands(), ["--company", str(folder), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr


def refreshed(folder: Path) -> Demo:
    """The company after a refresh without any load; its warehouse stays what it is now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        patch.setenv("SANDBOX_URL", "http://127.0.0.1:1")
        company = load_company(folder)
        outcome = run_night(company, say=lambda _: None, sources=[])
    assert outcome.published, outcome.failure
    kept = Home(folder / f"lake-{len(list(folder.glob('lake-*')))}")
    kept.root.mkdir()
    shutil.copyfile(company.home.warehouse, kept.warehouse)
    return Demo(replace(company, home=kept))


def worth(demo: Demo, *customers: str) -> tuple[Any, ...]:
    """Orders and net revenue that core and mart know of customers together."""
    listed = ", ".join(f"'{customer}'" for customer in customers)
    (row,) = demo.ask(
        f"""SELECT * FROM
            (SELECT sum(orders), sum(net_revenue_base), sum(records) FROM mart.customer_360
             WHERE customer_id IN ({listed})),
            (SELECT count(*), sum(total_base) FROM core.sales_order WHERE customer_id IN ({listed}))"""
    )
    return row


def customers_of(demo: Demo, *records: str) -> list[str]:
    listed = ", ".join(f"'{record}'" for record in records)
    sql = f"SELECT DISTINCT customer_id FROM identity.assignment WHERE record_id IN ({listed}) ORDER BY 1"
    return [customer for (customer,) in demo.ask(sql)]


def test_customers_decided_to_be_the_same_are_one_from_core_to_marts(decided: Decided) -> None:
    before, after = decided.before, decided.after
    assert worth(before, *decided.merged)[0] > 1
    (alias,) = {a for (a,) in after.ask(
        "SELECT current_customer_id FROM identity.customer_alias "
        f"WHERE customer_id IN {decided.merged} AND current_customer_id IS NOT NULL"
    )}  # fmt: skip
    assert alias in decided.merged
    gone = next(c for c in decided.merged if c != alias)
    assert worth(after, alias) == worth(before, *decided.merged)
    assert after.ask(f"SELECT count(*) FROM core.customer WHERE customer_id = '{gone}'") == [(0,)]
    merges = after.ask("SELECT old_customer_id, new_customer_id FROM identity.history WHERE kind = 'merged'")
    assert merges == [(gone, alias)]


def test_records_decided_to_be_different_are_two_customers(decided: Decided) -> None:
    before, after = decided.before, decided.after
    (one,), two = customers_of(before, *decided.parted), customers_of(after, *decided.parted)
    assert len(two) == 2
    assert one in two
    assert worth(after, *two) == worth(before, one)
    splits = after.ask("SELECT old_customer_id, new_customer_id FROM identity.history WHERE kind = 'split'")
    assert splits == [(one, next(c for c in two if c != one))]
    states = after.ask("SELECT decision_id, verdict, state, note FROM identity.decision ORDER BY 1")
    assert states == [(1, "same", "in_force", "moved house"), (2, "different", "in_force", None)]


def test_decisions_move_what_is_decided_and_nothing_else(decided: Decided) -> None:
    every = "SELECT count(*), sum(orders), sum(net_revenue_base) FROM mart.customer_360"
    assert decided.after.ask(every) == decided.before.ask(every)
    old = customers_of(decided.before, *decided.parted)
    touched = {*decided.merged, *old, *customers_of(decided.after, *decided.parted)}
    listed = ", ".join(f"'{customer}'" for customer in sorted(touched))
    rest = f"SELECT * FROM core.customer WHERE customer_id NOT IN ({listed}) ORDER BY customer_id"
    assert decided.after.ask(rest) == decided.before.ask(rest)
    with_id = [t for t, c in tables().items() if any(col.name == "customer_id" for col in c.columns)]
    with_id = [t for t in with_id if t.split(".")[0] in ("core", "mart", "insight") and t not in HISTORIES]
    assert {"core.sales_order", "core.payment", "core.ticket", "core.journey", "mart.customer_360"} <= set(with_id)
    lost = {
        t: decided.after.ask(
            f"SELECT count(*) FROM {t} WHERE customer_id IS NOT NULL "
            "AND customer_id NOT IN (SELECT customer_id FROM core.customer)"
        )[0][0]
        for t in with_id
    }
    assert not any(lost.values()), lost
    gone = "SELECT customer_id FROM core.customer_history GROUP BY ALL HAVING NOT bool_or(is_current)"
    assert {customer for (customer,) in decided.after.ask(gone)} < set(decided.merged)


def test_undone_decisions_leave_everything_as_it_was_with_the_same_ids(decided: Decided) -> None:
    log = {"identity.history", "identity.former_id", "identity.customer_alias", "identity.linkage"}
    log.add("core.customer_history")
    found = differing_rows(decided.before, decided.undone, "clean", "identity", "core", "mart", "insight")
    assert set(found) == log
    kinds = "SELECT kind, count(*) FROM identity.history GROUP BY 1 ORDER BY 1"
    assert decided.undone.ask(kinds) == [("merged", 2), ("split", 2)]
    assert decided.undone.ask("SELECT count(*) FROM identity.decision") == [(0,)]
    assert decided.undone.ask("SELECT verdict, undone_at IS NULL FROM meta.decision ORDER BY decision_id") == [
        ("same", False),
        ("different", False),
    ]


def test_histories_hold_what_the_shop_says_it_changed_and_when(demo: Demo, second: Later) -> None:
    shop = Store(store_path(second.demo.company.root, "shopify"))
    changed = second.changes["shopify"]
    variants = [v for key in changed["product"].changed for v in shop.page("variant", limit=100, parent=key)]
    people = [record for key in changed["customer"].changed if (record := shop.get("customer", key))]
    shop.close()
    assert len(variants) >= 2
    assert len(people) >= 5
    prices = {f"sku:{v.body['sku']}": (Decimal(v.body["price"]), moment(v.updated)) for v in variants}
    towns = {f"contact:shop:{r.id}": (r.body["address"]["city"], moment(r.updated)) for r in people}
    current = "SELECT {}, {}, valid_from FROM {} WHERE is_current AND dated_by = 'source'"
    priced = second.demo.ask(current.format("product_id", "price", "core.product_history"))
    assert {key: told for key, *told in priced} == {key: list(told) for key, told in prices.items()}
    known = "core.customer_history JOIN core.customer_identity USING (customer_id)"
    moved = second.demo.ask(current.format("record_id", "city", known))
    assert {key: told for key, *told in moved if key in towns} == {key: list(told) for key, told in towns.items()}
    before = dict(demo.ask("SELECT product_id, price FROM core.product"))
    ended = second.demo.ask("SELECT product_id, price, valid_to FROM core.product_history WHERE NOT is_current")
    assert ended == [(key, before[key], prices[key][1]) for key, *_ in ended]
    assert len(ended) == len(prices)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@pytest.mark.parametrize("table", HISTORIES)
def test_histories_end_exactly_what_differs_from_the_night_before(demo: Demo, second: Later, table: str) -> None:
    followed = [c.name for c in tables()[table].columns if c.name not in BOOKKEEPING]
    columns = ", ".join(f'"{name}"' for name in followed)
    before, after = (set(one.ask(f"SELECT {columns} FROM {HISTORIES[table]}")) for one in (demo, second.demo))
    ended = second.demo.ask(f"SELECT {columns} FROM {table} WHERE NOT is_current")
    assert ended
    assert set(ended) == before - after
    assert len(ended) == len(set(ended))


def test_every_order_finds_its_customer_and_price_as_of_then(demo: Demo) -> None:
    for table, things in (
        ("core.customer_history", "core.sales_order"),
        ("core.product_history", "core.order_line JOIN core.sales_order USING (order_id, customer_id)"),
    ):
        key = tables()[table].key[0]
        as_of = (
            f"t.{key} = h.{key} AND h.valid_from <= t.ordered_at AND (h.valid_to > t.ordered_at OR h.valid_to IS NULL)"
        )
        times = f"SELECT {key}, ordered_at FROM {things} WHERE {key} IS NOT NULL"
        assert demo.ask(f"SELECT count(*) > 1000, count(*) - count(h.{key}) FROM ({times}) AS t "
                        f"LEFT JOIN {table} AS h ON {as_of}") == [(True, 0)]  # fmt: skip
