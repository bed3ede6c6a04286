"""A source's nights in a build database: what is inserted, updated, kept, replaced and quarantined."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from transforms.clean import CleanContext
from transforms.clean.load import CleanReport, clean_source, ensure_tables
from transforms.mapping import MappingError
from warehouse.contracts import Column, entities

CONTEXT = CleanContext(country="DE", base_currency="EUR", timezone="Europe/Berlin")
NIGHT = datetime(2026, 1, 1, 3, tzinfo=UTC)
PAYMENT = entities()["payment"]
MAPPING = """
SELECT id AS source_id, amount, 'paid' AS method, 'succeeded' AS status, 'EUR' AS currency, changed AS source_updated_at
FROM raw.payments
"""

Row = tuple[str | None, str | None, str | None, str, int]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("ATTACH ':memory:' AS raw_shop")
    connection.execute("CREATE SCHEMA raw_shop.raw")
    connection.execute(
        "CREATE TABLE raw_shop.raw.payments (id VARCHAR, amount VARCHAR, changed VARCHAR, note VARCHAR, "
        "_file VARCHAR, _row BIGINT, _loaded_at TIMESTAMPTZ)"
    )
    yield connection
    connection.close()


def night(con: duckdb.DuckDBPyConnection, rows: list[Row], *, day: int = 0, **more: Any) -> CleanReport:
    """Land the rows (id, amount, changed, file, row) and clean them."""
    con.execute("DELETE FROM raw_shop.raw.payments")
    for key, amount, changed, file, row in rows:
        con.execute("INSERT INTO raw_shop.raw.payments VALUES (?, ?, ?, 'n', ?, ?, ?)",
                    [key, amount, changed, file, row, NIGHT])  # fmt: skip
    arguments: dict[str, Any] = {"contract": PAYMENT, "mapping_sql": MAPPING, "source": "shop", "context": CONTEXT}
    return clean_source(con, raw_catalog="raw_shop", now=NIGHT + timedelta(days=day), **(arguments | more))


def amounts(con: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
    return dict(con.execute("SELECT source_id, amount FROM clean.payment ORDER BY ALL").fetchall())


def test_first_night_fills_the_tables(con: duckdb.DuckDBPyConnection) -> None:
    report = night(con, [("1", "1,50", None, "a.csv", 2), ("2", "-1", None, "a.csv", 3)])
    assert (report.read, report.accepted, report.quarantined, report.inserted) == (2, 1, 1, 1)
    assert report.reasons == {"below_minimum: amount": 1}
    row = con.execute(
        "SELECT amount, original, extra, source_file, source_row, cleaned_at FROM clean.payment"
    ).fetchone()
    assert row == (Decimal("1.5"), '{"amount":"1,50"}', '{"note":"n"}', "a.csv", 2, NIGHT)
    bad = con.execute("SELECT source_id, reasons, row, source_row, first_seen_at FROM quarantine.payment").fetchone()
    assert bad is not None
    assert (bad[0], bad[1], json.loads(bad[2])["amount"], bad[3], bad[4]) == (
        "2", ["below_minimum: amount"], "-1", 3, NIGHT)  # fmt: skip
    issues = con.execute("SELECT column_name, kind, reason, row_count FROM meta.cleaning_issue ORDER BY ALL").fetchall()
    assert issues == [("amount", "changed", "number_format", 1), ("amount", "rejected", "below_minimum", 1)]


def test_second_night_touches_only_what_changed(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2), ("2", "2", None, "a.csv", 3), ("3", "3", None, "a.csv", 4)])
    report = night(
        con, [("1", "1", None, "a.csv", 2), ("2", "9", None, "a.csv", 3), ("4", "4", None, "a.csv", 4)], day=1
    )
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (1, 1, 1, 1)
    cleaned = con.execute("SELECT source_id, amount, cleaned_at FROM clean.payment ORDER BY 1").fetchall()
    later = NIGHT + timedelta(days=1)
    assert cleaned == [("1", 1, NIGHT), ("2", 9, later), ("4", 4, later)]


def test_row_that_only_moved_in_its_file_is_unchanged_but_can_be_found(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2)])
    report = night(con, [("1", "1", None, "b.csv", 9)], day=1)
    assert (report.unchanged, report.updated) == (1, 0)
    found = con.execute("SELECT source_file, source_row, cleaned_at FROM clean.payment").fetchall()
    assert found == [("b.csv", 9, NIGHT)]


def test_another_hash_with_the_same_values_is_no_change(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2)])
    con.execute("UPDATE clean.payment SET row_hash = 'of another library'")
    assert night(con, [("1", "1", None, "a.csv", 2)], day=1).unchanged == 1
    assert con.execute("SELECT cleaned_at FROM clean.payment").fetchone() == (NIGHT,)


def test_row_gone_bad_leaves_clean_and_comes_back_once_mended(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2)])
    report = night(con, [("1", "broken", None, "a.csv", 2)], day=1)
    assert (report.deleted, report.quarantined, amounts(con)) == (1, 1, {})
    night(con, [("1", "broken", None, "a.csv", 2)], day=2)
    seen = con.execute("SELECT first_seen_at, last_seen_at FROM quarantine.payment").fetchall()
    assert seen == [(NIGHT + timedelta(days=1), NIGHT + timedelta(days=2))]
    report = night(con, [("1", "1", None, "a.csv", 2)], day=3)
    assert (report.inserted, report.quarantined, amounts(con)) == (1, 0, {"1": Decimal(1)})


def test_newer_version_wins_across_files(con: duckdb.DuckDBPyConnection) -> None:
    report = night(con, [("1", "1", "2026-01-02", "b.csv", 2), ("1", "2", "2026-01-05", "a.csv", 2),
                         ("2", "3", None, "a.csv", 3), ("2", "4", None, "b.csv", 3)])  # fmt: skip
    assert amounts(con) == {"1": Decimal(2), "2": Decimal(4)}
    assert (report.superseded, report.quarantined, report.accepted) == (2, 0, 2)


def test_newer_but_bad_version_is_not_covered_up_by_the_old_one(con: duckdb.DuckDBPyConnection) -> None:
    report = night(con, [("1", "1", None, "a.csv", 2), ("1", "bad", None, "b.csv", 2)])
    assert (amounts(con), report.quarantined, report.superseded) == ({}, 1, 1)
    report = night(con, [("1", "bad", None, "a.csv", 2), ("1", "1", None, "b.csv", 2)], day=1)
    assert (amounts(con), report.quarantined, report.superseded) == ({"1": Decimal(1)}, 0, 1)


def test_repeated_rows_of_a_file(con: duckdb.DuckDBPyConnection) -> None:
    rows: list[Row] = [("1", "1", None, "a.csv", 2), ("1", "1", None, "a.csv", 3),
                       ("2", "1", None, "a.csv", 4), ("2", "2,00", None, "a.csv", 5)]  # fmt: skip
    report = night(con, rows)
    assert amounts(con) == {"1": Decimal(1), "2": Decimal(2)}
    assert (report.read, report.accepted, report.duplicates, report.quarantined) == (4, 2, 1, 1)
    assert report.reasons == {"duplicate_key: later row kept": 1}
    bad = con.execute("SELECT source_id, source_row, row->>'amount' FROM quarantine.payment").fetchone()
    assert bad == ("2", 4, "1.0000")
    found = con.execute("SELECT kind, reason, row_count FROM meta.cleaning_issue WHERE column_name = 'source_id'")
    assert sorted(found.fetchall()) == [("changed", "exact_duplicate", 1), ("rejected", "duplicate_key", 1)]


def test_good_row_of_a_file_counts_although_a_bad_one_follows(con: duckdb.DuckDBPyConnection) -> None:
    report = night(con, [("1", "1", None, "a.csv", 2), ("1", "bad", None, "a.csv", 3)])
    assert (amounts(con), report.reasons) == ({"1": Decimal(1)}, {"not_a_number: amount": 1})


def test_versions_in_one_change_log_follow_their_time(con: duckdb.DuckDBPyConnection) -> None:
    report = night(con, [("1", "1", "2026-01-05", "a.csv", 2), ("1", "2", "2026-01-02", "a.csv", 3)])
    assert (amounts(con), report.superseded, report.quarantined) == ({"1": Decimal(1)}, 1, 0)


def test_sources_do_not_touch_each_other(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2), ("2", "x", None, "a.csv", 3)])
    night(con, [("1", "5", None, "a.csv", 2)], source="other")
    assert con.execute("SELECT source, amount FROM clean.payment ORDER BY 1").fetchall() == [("other", 5), ("shop", 1)]
    assert con.execute("SELECT source FROM quarantine.payment").fetchall() == [("shop",)]
    assert con.execute("SELECT count(*) FROM meta.cleaning_issue WHERE source = 'shop'").fetchone() == (1,)


@pytest.mark.parametrize("batch_rows", [1, 2, 1000])
def test_formats_are_decided_by_the_whole_column_however_it_is_batched(
    con: duckdb.DuckDBPyConnection, batch_rows: int
) -> None:
    night(con, [("1", "1.234", None, "a.csv", 2), ("2", "1.5", None, "a.csv", 3), ("3", "2,345", None, "a.csv", 4)],
          batch_rows=batch_rows)  # fmt: skip
    assert amounts(con) == {"1": Decimal("1.234"), "2": Decimal("1.5"), "3": Decimal(2345)}


def test_contract_that_gained_a_column(con: duckdb.DuckDBPyConnection) -> None:
    night(con, [("1", "1", None, "a.csv", 2)])
    wider = replace(PAYMENT, columns=(*PAYMENT.columns, Column("memo", "VARCHAR", "text", "A memo.")))
    report = night(con, [("1", "1", None, "a.csv", 2)], contract=wider, day=1,
                   mapping_sql=MAPPING.replace("amount,", "amount, note AS memo,"))  # fmt: skip
    assert report.updated == 1
    assert con.execute("SELECT memo FROM clean.payment").fetchone() == ("n",)


def test_tables_carry_the_contracts_descriptions(con: duckdb.DuckDBPyConnection) -> None:
    ensure_tables(con, PAYMENT)
    ensure_tables(con, PAYMENT)
    told = con.execute(
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'clean' AND column_name = 'amount'"
    ).fetchone()
    assert told == (PAYMENT.column("amount").description,)


def test_bad_mapping_changes_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    night(con, [("1", "1", None, "a.csv", 2)])
    with pytest.raises(MappingError, match="raw tables only"):
        night(con, [], mapping_sql=f"SELECT id AS source_id FROM '{tmp_path}/x.csv'")
    assert amounts(con) == {"1": Decimal(1)}
