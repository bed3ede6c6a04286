"""Headers in, column names out; headers compared."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.files.names import Change, column_names, drift, snake_case


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("customerId", "customer_id"),
        ("HTTPStatus", "http_status"),
        ("E-Mail Adresse", "e_mail_adresse"),
        ("Größe (cm)", "grosse_cm"),
        ("2026 Total", "_2026_total"),
        ("_dlt_id", "dlt_id"),
        ("  a__b  ", "a_b"),
        ("цена", ""),
    ],
)
def test_snake_case(header: str, name: str) -> None:
    assert snake_case(header) == name


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), max_size=12))
def test_dlt_and_sql_take_every_name_as_it_is(headers: list[str]) -> None:
    from dlt.common.normalizers.naming.snake_case import NamingConvention

    names, _ = column_names(headers)
    assert len({name.lower() for name in names}) == len(headers)
    assert [NamingConvention().normalize_identifier(name) for name in names] == names
    assert not {"_file", "_row", "_loaded_at"} & set(names)


def test_names_do_not_take_a_later_columns_own() -> None:
    assert column_names(["a", "A", "a_2"])[0] == ["a", "a_3", "a_2"]


def test_drift() -> None:
    before = ["id", "email", "phone", "city"]
    assert drift(before, before) == []
    assert drift(before, ["city", "phone", "email", "id"]) == []
    assert drift(before, ["id", "e_mail", "phone", "city", "zip"]) == [
        Change("e_mail", "renamed", "email seems to be called e_mail now"),
        Change("zip", "added", "zip is new"),
    ]
    assert drift(before, ["id", "email", "phone", "ort"]) == [
        Change("ort", "renamed", "city seems to be called ort now")
    ]
    assert drift(before, ["id", "email", "phone"]) == [Change("city", "dropped", "city is no longer there")]
