"""The night as a whole: what is published, what stays when something fails, and what a second night leaves alone."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import duckdb
import pytest

from pipelines.refresh import model
from tests.pipelines.conftest import Tiny
from transforms.models import LINKED_FROM
from warehouse.company import load_company

Rows = dict[str, list[tuple[Any, ...]]]


def contents(tiny: Tiny, *schemas: str) -> Rows:
    """Every row of every table of some schemas."""
    listed = tiny.ask("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL")
    return {
        f"{schema}.{name}": sorted(tiny.ask(f'SELECT * FROM {schema}."{name}"'), key=repr)
        for schema, name in listed
        if schema in schemas
    }


def changed_rows(before: Rows, after: Rows) -> dict[str, int]:
    """Rows that are in one of the two and not in the other, by table."""
    differing = {name: set(map(repr, before[name])) ^ set(map(repr, after[name])) for name in before}
    return {name: len(rows) for name, rows in differing.items() if rows}


def test_cleans_unifies_and_publishes(first_night: Tiny) -> None:
    people = first_night.ask("SELECT full_name, email, phone FROM core.customer ORDER BY email")
    assert people == [
        ("Anna Berg", "anna@example.com", "+493023125001"),
        ("Jan de Boer", "jan@example.org", None),
        (None, "new@example.net", None),
    ]
    assert first_night.ask("SELECT count(*), sum(total)::VARCHAR FROM core.sales_order") == [(3, "49.5000")]
    joined = first_night.ask(
        "SELECT c.email, o.order_number FROM core.sales_order AS o JOIN core.customer AS c USING (customer_id) "
        "ORDER BY 2"
    )
    assert joined == [("anna@example.com", "A1"), ("jan@example.org", "A2"), ("new@example.net", "A3")]


def test_line_without_order_waits_in_quarantine_and_comes_back(tiny: Tiny) -> None:
    assert tiny.ask("SELECT source_id, reasons FROM quarantine.order_line") == [
        ("L5", ["orphan: order_id A9 not in sales_order"])
    ]
    with tiny.export("shop/orders.csv").open("a") as file:
        file.write('A9,late@example.com,EUR,"7,00",2026-10-04 09:00\n')
    assert tiny.night().published
    assert tiny.ask("SELECT count(*) FROM quarantine.order_line") == [(0,)]
    assert tiny.ask("SELECT count(*) FROM core.order_line") == [(5,)]


def test_second_night_changes_nothing(tiny: Tiny) -> None:
    before = contents(tiny, "clean", "quarantine", "identity", "core", "mart", "insight")
    outcome = tiny.night()
    assert outcome.published
    after = contents(tiny, "clean", "quarantine", "identity", "core", "mart", "insight")
    assert changed_rows(before, after) == {}
    steps = tiny.ask("SELECT step FROM meta.step WHERE run_id = (SELECT run_id FROM meta.night)")
    assert steps == []


def test_what_the_company_chooses_reaches_the_models_that_go_by_it(tiny: Tiny) -> None:
    assert tiny.ask("SELECT * FROM meta.setting") == [("attribution_days", 30)]
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace('country = "DE"', 'country = "DE"\nattribution_days = 90'))
    changed = Tiny(load_company(tiny.root))
    assert changed.night().published
    assert changed.ask("SELECT * FROM meta.setting") == [("attribution_days", 90)]
    rebuilt = "SELECT step FROM meta.step WHERE kind = 'model' AND run_id = (SELECT run_id FROM meta.night) ORDER BY 1"
    assert changed.ask(rebuilt) == [("core.journey",), ("identity.customer_size",)]


def test_code_that_changed_makes_its_table_anew(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(model.CODED) == set(LINKED_FROM)
    monkeypatch.setattr(model, "_code_of", lambda table: f"other code of {table}")
    assert tiny.night().published
    rebuilt = "SELECT step FROM meta.step WHERE kind = 'model' AND run_id = (SELECT run_id FROM meta.night) ORDER BY 1"
    assert tiny.ask(rebuilt) == [(table,) for table in sorted(LINKED_FROM)]


def test_edited_export_changes_exactly_its_rows(tiny: Tiny) -> None:
    before = contents(tiny, "clean", "core")
    orders = tiny.export("shop/orders.csv")
    orders.write_text(orders.read_text().replace('"12,50",2026', '"13,50",2026'))
    assert tiny.night().published
    changed = changed_rows(before, contents(tiny, "clean", "core"))
    assert changed["clean.sales_order"] == 2
    assert changed["core.sales_order"] == 2
    assert {name for name in changed if name.startswith("clean.")} == {"clean.sales_order"}
    assert tiny.ask("SELECT total::VARCHAR FROM core.sales_order WHERE order_number = 'A2'") == [("13.5000",)]
    warned = tiny.ask("SELECT check_name FROM meta.check_result WHERE NOT passed")
    assert warned == []


def test_missing_source_is_stale_and_the_rest_goes_on(tiny: Tiny) -> None:
    os.rename(tiny.root / "exports" / "crm", tiny.root / "exports" / "gone")  # noqa: PTH104
    with tiny.export("shop/orders.csv").open("a") as file:
        file.write('A4,jan@example.org,EUR,"1,00",2026-10-05 09:00\n')
    outcome = tiny.night()
    assert outcome.published
    assert "crm" in outcome.failed_loads["crm"]
    status = tiny.ask(
        "SELECT source, status, stale_since IS NOT NULL, message <> '' FROM meta.source_status ORDER BY 1"
    )
    assert status == [("crm", "stale", True, True), ("shop", "fresh", False, False)]
    assert tiny.ask("SELECT count(*) FROM clean.contact WHERE source = 'crm'") == [(2,)]
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(4,)]


def test_unreadable_file_stops_neither_the_others_nor_the_night(tiny: Tiny) -> None:
    tiny.export("shop/orders_bad.csv").write_bytes(b'id,mail,currency,total,placed\nA5,"open quote,EUR,1,2026\n')
    tiny.export("shop/orders_new.csv").write_text("id,mail,currency,total,placed\nA6,x@example.com,EUR,5,2026-10-06\n")
    outcome = tiny.night()
    assert outcome.published
    assert outcome.failed_loads == {}
    ((file, line, detail),) = tiny.ask("SELECT file, line, detail FROM meta.finding WHERE kind = 'unreadable_file'")
    assert (file, line) == ("orders_bad.csv", 2)
    assert "quote" in detail
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(4,)]


def test_blocking_check_keeps_yesterdays_warehouse(tiny: Tiny) -> None:
    inode = tiny.company.home.warehouse.stat().st_ino
    with tiny.export("shop/orders.csv").open("a") as file:
        file.write('A7,jan@example.org,EUR,"1,00",2029-10-05 09:00\n')
    outcome = tiny.night()
    assert not outcome.published
    assert "ordered_not_in_the_future" in outcome.failure
    assert tiny.company.home.warehouse.stat().st_ino == inode
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(3,)]
    orders = tiny.export("shop/orders.csv")
    orders.write_text(orders.read_text().replace("2029-10-05", "2026-10-05"))
    assert tiny.night().published
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(4,)]


def test_mapping_that_breaks_leaves_its_last_good_rows(tiny: Tiny) -> None:
    (tiny.root / "mappings" / "crm" / "contact.sql").write_text(
        "SELECT id AS source_id, nickname AS full_name FROM raw.contacts"
    )
    outcome = tiny.night()
    assert outcome.published
    assert tiny.ask("SELECT count(*) FROM clean.contact") == [(2,)]
    failed = tiny.ask("SELECT table_name, check_name, severity FROM meta.check_result WHERE NOT passed")
    assert failed == [("clean.contact", "every_mapping_runs", "warning")]


def test_removed_mapping_takes_its_rows_along(tiny: Tiny) -> None:
    (tiny.root / "mappings" / "crm" / "contact.sql").unlink()
    assert tiny.night().published
    assert tiny.ask("SELECT count(*) FROM clean.contact") == [(0,)]
    assert tiny.ask("SELECT count(*) FROM core.customer") == [(3,)]


def test_changed_trust_chooses_anew(tiny: Tiny) -> None:
    name = "SELECT full_name FROM core.customer WHERE email = 'jan@example.org'"
    assert tiny.ask(name) == [("Jan de Boer",)]
    (tiny.root / "mappings" / "shop" / "contact.sql").write_text(
        "SELECT 'j' AS source_id, 'Jan Boer' AS full_name, 'jan@example.org' AS email, placed AS source_updated_at "
        "FROM raw.orders LIMIT 1"
    )
    assert tiny.night().published
    assert tiny.ask(name) == [("Jan Boer",)]
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text() + "[trust.name]\ncrm = 90\n")
    assert Tiny(load_company(tiny.root)).night().published
    assert tiny.ask(name) == [("Jan de Boer",)]
    trusted = tiny.ask("SELECT column_name, trust FROM meta.source_trust WHERE source = 'crm' AND trust <> 50")
    assert trusted == [("name", 90)]
    steps = tiny.ask("SELECT step FROM meta.step WHERE run_id = (SELECT run_id FROM meta.night) AND kind = 'model'")
    assert ("core.customer",) in steps
    assert ("core.sales_order",) not in steps


def test_night_knows_its_day(first_night: Tiny) -> None:
    assert first_night.ask("SELECT as_of, base_currency FROM meta.night") == [(date(2026, 10, 31), "EUR")]


def test_analysts_file_is_read_only_ready(first_night: Tiny) -> None:
    comments = first_night.ask("SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'core' AND comment IS NULL")
    assert comments == [(0,)]
    with pytest.raises(duckdb.Error):
        first_night.ask("CREATE TABLE core.mine (x INTEGER)")
