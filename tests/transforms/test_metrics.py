"""Metrics: what a definition must be, and the daily series made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.transforms.clean_tables import built
from transforms.metrics import MEMBERS_KEPT, MetricError, daily_sql, load_metrics
from transforms.models import load_models

GOOD = {
    "name": "big_orders", "title": "Big orders", "description": "Orders over 100.", "unit": "count",
    "direction": "up", "kind": "flow", "table": "core.sales_order", "date": "ordered_date", "value": "count(*)",
    "where": "total_base > 100", "dimensions": {"channel": "channel"},
}  # fmt: skip


def write(folder: Path, *entries: Any) -> Path:
    path = folder / "metrics.yaml"
    path.write_text(yaml.safe_dump({"metrics": list(entries)}))
    return path


def order(day: str, number: int, **columns: Any) -> Mapping[str, Any]:
    plain = {"source_id": f"o{number}", "status": "paid", "currency": "EUR", "total": 10, "channel": "web"}
    return {**plain, "ordered_at": datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC), **columns}


def series(con: duckdb.DuckDBPyConnection, metric: str, dimension: str = "total") -> list[tuple[Any, ...]]:
    query = "SELECT member, date, value FROM mart.metric_daily WHERE metric = ? AND dimension = ? ORDER BY member, date"
    return con.execute(query, [metric, dimension]).fetchall()


def test_the_products_metrics_are_complete() -> None:
    metrics = load_metrics()
    assert len(metrics) >= 20
    assert all(m.title and m.description.endswith(".") for m in metrics.values())
    assert not metrics["average_order_value"].is_zero_filled
    assert not metrics["stockouts"].is_zero_filled
    assert metrics["refunds"].is_zero_filled


def test_a_company_adds_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert list(load_metrics([path])) == [*load_metrics(), "big_orders"]
    assert "'big_orders'" in load_models([path])["mart.metric_daily"].sql
    assert "'big_orders'" not in load_models()["mart.metric_daily"].sql


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "orders"}, "orders is defined already"),
        ({"name": "Big Orders"}, "lower-case"),
        ({"title": ""}, "lacks title"),
        ({"colour": "red"}, "unknown keys colour"),
        ({"unit": "euro"}, "unit is euro; use one of count, money"),
        ({"direction": "sideways"}, "direction is sideways"),
        ({"kind": "pile"}, "kind is pile"),
        ({"table": "clean.sales_order"}, "no core or mart table"),
        ({"date": "day"}, "has no column day"),
        ({"value": "sum(totl)"}, "has no column totl"),
        ({"value": "sum(("}, "not a valid SQL expression"),
        ({"where": "totl > 1"}, "has no column totl"),
        ({"dimensions": {"total": "channel"}}, "none is called total"),
        ({"dimensions": ["channel"]}, "pairs of name"),
    ],
)
def test_a_wrong_metric_is_named_with_the_mend(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path, {**GOOD, **change})
    with pytest.raises(MetricError, match=message) as caught:
        load_metrics([path])
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text("orders: 1")
    with pytest.raises(MetricError, match="list under `metrics`"):
        load_metrics([path])


def test_quiet_days_are_zero_for_counts_and_unknown_for_ratios() -> None:
    rows = [order("2024-03-26", 1), order("2024-03-26", 2, total=30), order("2024-03-28", 3)]
    # The shop's visits show that it has delivered up to the 30th; nothing is known of the 31st.
    visit = {"source_id": "v", "sessions": 5, "started_at": datetime(2024, 3, 30, 12, tzinfo=UTC)}
    days = [date(2024, 3, day) for day in range(26, 31)]
    with built({"sales_order": rows, "web_session": [visit]}) as con:
        assert series(con, "orders") == [("total", d, v) for d, v in zip(days, [2.0, 0, 1, 0, 0], strict=True)]
        assert series(con, "revenue_net") == [("total", d, v) for d, v in zip(days, [40.0, 0, 10, 0, 0], strict=True)]
        values = [20.0, None, 10.0, None, None]
        assert series(con, "average_order_value") == [("total", d, v) for d, v in zip(days, values, strict=True)]


def test_a_source_that_has_not_delivered_is_not_zero() -> None:
    visit = {"source": "web", "source_id": "v", "sessions": 5, "started_at": datetime(2024, 3, 30, tzinfo=UTC)}
    with built({"sales_order": [order("2024-03-26", 1)], "web_session": [visit]}) as con:
        assert series(con, "orders") == [("total", date(2024, 3, 26), 1.0)]


def test_members_start_with_their_first_day_and_absent_ones_are_named() -> None:
    rows = [order("2024-03-28", 1), order("2024-03-29", 2, channel=None), order("2024-03-30", 3)]
    with built({"sales_order": rows}) as con:
        assert series(con, "orders", "channel") == [
            ("(unknown)", date(2024, 3, 29), 1.0),
            ("(unknown)", date(2024, 3, 30), 0.0),
            ("web", date(2024, 3, 28), 1.0),
            ("web", date(2024, 3, 29), 0.0),
            ("web", date(2024, 3, 30), 1.0),
        ]


def test_days_after_the_night_are_left_out() -> None:
    with built({"sales_order": [order("2024-03-31", 1), order("2024-04-01", 2)]}) as con:
        assert series(con, "orders") == [("total", date(2024, 3, 31), 1.0)]


def test_only_the_largest_members_are_listed_but_all_count() -> None:
    many = MEMBERS_KEPT + 5
    rows = [order("2024-03-30", i, channel=f"c{i:02}") for i in range(many)]
    rows += [order("2024-03-30", 100 + i, channel="zz") for i in range(2)]
    with built({"sales_order": rows}) as con:
        listed = [member for member, _, _ in series(con, "orders", "channel")]
        assert listed == [*(f"c{i:02}" for i in range(MEMBERS_KEPT - 1)), "zz"]
        assert series(con, "orders") == [("total", date(2024, 3, 30), many + 2.0)]


def test_levels_have_no_value_between_counts() -> None:
    level = {"source": "wms", "sku": "TEA", "location": "main"}
    rows = [
        {**level, "source_id": "1", "date": date(2024, 3, 28), "on_hand": 0},
        {**level, "source_id": "2", "date": date(2024, 3, 30), "on_hand": 4},
    ]
    with built({"inventory_level": rows}) as con:
        assert [value for _, _, value in series(con, "stockouts")] == [1.0, None, 0.0]


def test_text_in_definitions_cannot_break_the_query(tmp_path: Path) -> None:
    entry = {**GOOD, "description": "It's 100.", "where": "channel = 'it''s'"}
    sql = daily_sql(load_metrics([write(tmp_path, entry)]))
    assert sql.startswith("-- One row per metric, dimension, member and day.\n")
    assert "channel = 'it''s'" in sql
