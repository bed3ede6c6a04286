"""Fields that come, go or change their kind, told from the shapes of records."""

from __future__ import annotations

import json

from connectors._api.drift import ENOUGH_ROWS, Seen, compare, fields_of, merged

BEFORE = fields_of(
    [(json.dumps({"id": "UBIGINT", "name": "VARCHAR", "lines": [{"sku": "VARCHAR"}], "x": "NULL"}), 100)]
)


def changes(shape: object, rows: int = 100) -> list[tuple[str, str]]:
    return [(c.change, c.path) for c in compare(BEFORE, fields_of([(json.dumps(shape), rows)]), rows)]


def test_the_first_look_is_no_drift() -> None:
    assert compare({}, BEFORE, 100) == []


def test_numbers_are_numbers_and_null_is_any_kind() -> None:
    same = {"id": "DOUBLE", "name": "NULL", "lines": [{"sku": "VARCHAR"}], "x": "BOOLEAN"}
    assert changes(same) == []


def test_a_new_field_is_named_once_with_all_that_is_in_it() -> None:
    shape = {"id": "UBIGINT", "name": "VARCHAR", "lines": [{"sku": "VARCHAR", "qty": "BIGINT"}], "x": "NULL"}
    assert changes({**shape, "gift": {"to": "VARCHAR", "text": "VARCHAR"}}) == [
        ("added", "lines[].qty"),
        ("added", "gift"),
    ]


def test_a_kind_that_contradicts_is_named() -> None:
    shape = {"id": "VARCHAR", "name": "VARCHAR", "lines": [{"sku": "VARCHAR"}], "x": "NULL"}
    assert changes(shape) == [("type", "id")]


def test_a_field_is_missed_only_among_enough_records() -> None:
    shape = {"id": "UBIGINT", "lines": [{"sku": "VARCHAR"}], "x": "NULL"}
    assert changes(shape, ENOUGH_ROWS - 1) == []
    assert changes(shape, ENOUGH_ROWS) == [("dropped", "name")]


def test_a_field_that_few_records_had_is_not_missed() -> None:
    rare = {**BEFORE, "nick": Seen(kind="text", share=0.4)}
    now = fields_of(
        [(json.dumps({"id": "UBIGINT", "name": "VARCHAR", "lines": [{"sku": "VARCHAR"}], "x": "NULL"}), 100)]
    )
    assert compare(rare, now, 100) == []


def test_what_was_told_is_not_told_again() -> None:
    shape = {"id": "VARCHAR", "lines": [{"sku": "VARCHAR"}], "x": "VARCHAR", "new": "BOOLEAN"}
    now = fields_of([(json.dumps(shape), 100)])
    after = merged(BEFORE, now, compare(BEFORE, now, 100))
    assert compare(after, now, 100) == []
    assert "name" not in after
    assert after["x"].kind == "text"


def test_keys_that_are_data_are_no_fields() -> None:
    days = {f"2026-{n // 28 + 1:02d}-{n % 28 + 1:02d}": "BIGINT" for n in range(336)}
    assert set(fields_of([(json.dumps({"id": "VARCHAR", "by_day": days}), 3)])) == {"id", "by_day"}
