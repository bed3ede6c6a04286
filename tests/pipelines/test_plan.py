"""What tonight would do is said before it is done, with the reason and the usual time."""

from __future__ import annotations

from datetime import date

from pipelines.cli.night import _Left
from pipelines.refresh import plan
from pipelines.refresh.model import order_of
from pipelines.run import run_night
from tests.pipelines.conftest import Tiny
from warehouse import changes, store
from warehouse.company import load_company


def reasons(tiny: Tiny) -> dict[str, str]:
    return {p.what: p.why for p in plan.make_plan(tiny.company).tables}


def test_nothing_is_due_after_a_night(first_night):
    made = plan.make_plan(first_night.company)
    assert made.tables == ()
    assert [load.what for load in made.loads] == ["crm", "shop"]
    assert all(load.seconds is not None and load.seconds >= 0 for load in made.loads)
    assert made.night_seconds


def test_a_changed_mapping_is_due_with_all_that_follows_and_nothing_else(tiny):
    mapping = tiny.root / "mappings" / "shop" / "order_line.sql"
    mapping.write_text(mapping.read_text().replace("sku,", "upper(sku) AS sku,"))
    due = reasons(tiny)
    assert due["clean.order_line"] == "its source delivered, or what reads it is another"
    assert "clean.order_line" in due["core.order_line"]
    assert {"clean.contact", "core.customer"}.isdisjoint(due)


def test_another_day_makes_due_what_tells_of_the_day(tiny):
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace(f"{date(2026, 10, 31)}", f"{date(2026, 11, 1)}"))
    due = reasons(Tiny(load_company(tiny.root)))
    assert due["core.calendar"] == due["core.fx_rate"] == "another day"
    assert "core.fx_rate" in due["core.sales_order"]
    assert "mart.customer_360" in due
    assert {"identity.record", "core.customer", "clean.contact"}.isdisjoint(due)


def test_the_plan_of_a_full_night_names_every_table_with_its_time(tiny):
    made = plan.make_plan(tiny.company, full=True)
    assert {*order_of(tiny.company)} < {p.what for p in made.tables}
    assert sum(p.seconds or 0 for p in made.tables) > 0
    assert reasons(tiny) == {}


def test_a_full_night_says_whether_it_came_to_the_same(tiny):
    with store.open_build(tiny.company.home) as con:
        con.execute("UPDATE meta.built SET version = '1/2/3' WHERE object = 'core.staff'")
    outcome = run_night(tiny.company, say=lambda _: None, full=True)
    assert outcome.published, outcome.failure
    with store.open_build(tiny.company.home) as con:
        ((run,),) = con.execute("SELECT run_id FROM meta.night").fetchall()
        rebuilt = changes.rebuilt(con, run)
    assert [table for table, is_same in rebuilt.items() if not is_same] == ["core.staff"]
    assert len(rebuilt) > len(order_of(tiny.company)) / 2
    told = tiny.ask("SELECT passed, examples FROM meta.check_result WHERE check_name = 'rebuilding_gives_the_same'")
    assert told[-1] == (False, '[{"table": "core.staff"}]')


def test_time_left_is_what_is_ahead_and_slower_where_tonight_is_slower():
    left = _Left()
    assert left.told() == ""
    left.expect({"core.a": 60.0, "core.b": 30.0})
    assert left.told() == "about 1:30 left"
    left.done.add("core.a")
    assert left.told() == "about 0:30 left"
    left.began -= 120
    assert left.told() == "about 1:00 left"
    left.done.add("core.b")
    assert left.told() == ""
