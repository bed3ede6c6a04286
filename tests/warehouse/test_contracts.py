"""Contracts: all of them load, hang together, and a broken one is one sentence."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from warehouse.contracts import ContractError, entities, load_contract, tables
from warehouse.store import comment, create_table

DESIGNED = """
contact company deal deal_stage_event activity staff
product sales_order order_line payment refund invoice subscription
campaign ad_performance marketing_touch consent_event web_session
ticket ticket_message feedback inventory_level shipment purchase_order shift
fx_rate calendar
"""


def test_every_entity_of_the_design_has_a_contract() -> None:
    assert sorted(entities()) == sorted(DESIGNED.split())


def test_parents_come_before_children() -> None:
    order = list(entities())
    for contract in entities().values():
        for reference in contract.references:
            assert order.index(reference.to_table) <= order.index(contract.name)


@pytest.mark.parametrize("name", sorted(tables()))
def test_table_can_be_made_and_described(name: str) -> None:
    contract = tables()[name]
    with duckdb.connect() as con:
        con.execute(f"CREATE SCHEMA {contract.schema}")
        create_table(con, contract)
        comment(con, contract)
        made = con.execute("SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal").fetchall()
    assert [column for column, _ in made] == [c.name for c in contract.columns]
    assert all(text for _, text in made)


@pytest.mark.parametrize("name", sorted(tables()))
def test_references_and_currencies_point_to_columns_that_exist(name: str) -> None:
    contract = tables()[name]
    for reference in contract.references:
        target = reference.to_table if "." in reference.to_table else f"{contract.schema}.{reference.to_table}"
        tables()[target].column(reference.to_column)
        contract.column(reference.column)
    for column in contract.columns:
        if column.currency_column:
            contract.column(column.currency_column)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("physicalName: clean.calendar", "physicalName: calendar", "physicalName must be schema.table"),
        ("description: Day.", "description: ''", "needs a name, a physicalType and a description"),
        ("kind: DataContract", "kind: [", "not a valid ODCS 3.1 contract"),
    ],
)
def test_broken_contract_is_a_sentence(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = entities()["calendar"].path.read_text()
    assert old in text
    broken = tmp_path / "calendar.odcs.yaml"
    broken.write_text(text.replace(old, new))
    with pytest.raises(ContractError, match=told):
        load_contract(broken)
