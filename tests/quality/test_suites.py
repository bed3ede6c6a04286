"""Which checks a contract leads to."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from quality.suites import checks_for
from warehouse.contracts import Reference, Rule, tables


def test_loading_the_suites_does_not_import_great_expectations():
    program = (
        "import sys, quality.suites, quality.results, quality.gate, quality.integrity, quality.volume;"
        "sys.exit(any(m.split('.')[0] in ('great_expectations', 'sqlalchemy', 'pandas') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_clean_contract_gets_a_check_for_everything_it_says(contract, column):
    order = contract(
        "sales_order",
        column("email", semantic_type="email"),
        column("status", required=True, enum=("open", "paid")),
        column("total", "DECIMAL(18,4)", "money", minimum=0),
        column("share", "DOUBLE", "percent", minimum=0, maximum=1.5),
        column("contact_id"),
        column("shop_id"),
        references=(
            Reference("contact_id", "contact", "source_id", "warn"),
            Reference("shop_id", "shop", "source_id", "quarantine"),
        ),
        rules=(Rule("paid_has_total", "A paid order has a total.", "warning", "status = 'paid' AND total IS NULL"),),
    )
    assert [(c.name, c.severity) for c in checks_for(order)] == [
        ("source_id_is_unique", "error"),
        ("source_is_given", "error"),
        ("source_id_is_given", "error"),
        ("email_is_email", "error"),
        ("status_is_given", "error"),
        ("status_is_one_of_known", "error"),
        ("total_at_least_0", "error"),
        ("share_between_0_and_1_5", "error"),
        ("contact_id_is_in_contact", "warning"),
        ("shop_id_is_in_shop", "error"),
        ("paid_has_total", "warning"),
    ]


def test_a_table_of_another_schema_is_keyed_by_its_own_columns(contract, column):
    line = contract(
        "order_line",
        column("order_line_id", primary_key=True),
        column("order_id"),
        column("code", unique=True),
        schema="core",
        references=(Reference("order_id", "core.sales_order", "order_id", "warn"),),
    )
    checks = {c.name: c for c in checks_for(line)}
    assert list(checks) == ["order_line_id_is_unique", "code_is_unique", "order_id_is_in_sales_order"]
    assert "source" not in checks["order_id_is_in_sales_order"].kwargs["condition"]
    assert checks["code_is_unique"].key == ("order_line_id",)


def test_a_key_of_several_columns_is_checked_as_one(contract, column):
    metric = contract(
        "metric_daily", column("metric", primary_key=True), column("date", "DATE", primary_key=True), schema="mart"
    )
    (check,) = checks_for(metric)
    assert check.name == "key_is_unique"
    assert check.description == "No two rows share the same metric and date."


def test_rows_are_expected_only_where_there_were_some(contract):
    assert "has_rows" not in {c.name for c in checks_for(contract("contact"))}
    assert "has_rows" in {c.name for c in checks_for(contract("contact"), had_rows=True)}


def test_a_rule_that_takes_the_name_of_another_check_is_refused(contract):
    rule = Rule("source_is_given", "Again.", "error", "source IS NULL")
    with pytest.raises(ValueError, match=r"clean\.contact has two checks named source_is_given.*contact\.odcs\.yaml"):
        checks_for(contract("contact", rules=(rule,)))


def test_every_contract_leads_to_well_named_checks():
    for table, contract in tables().items():
        checks = checks_for(contract, had_rows=True)
        assert checks
        for check in checks:
            assert re.fullmatch(r"[a-z0-9_]+", check.name)
            assert check.description.endswith(".")
            assert (check.table, bool(check.key)) == (table, True)
