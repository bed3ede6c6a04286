"""Models that follow what changed come to what building them anew gives."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import duckdb
import pytest

from bench.histories import history
from pipelines.refresh.model import models_of
from tests.pipelines.conftest import write_company
from tests.transforms.test_models import ROWS
from transforms import following
from transforms.clean.load import ensure_tables
from warehouse import changes, meta, records, store
from warehouse.company import Company, load_company
from warehouse.contracts import entities

NIGHT = datetime(2026, 10, 31, 3, tzinfo=UTC)


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company whose clean tables hold a few rows of everything, each of them several times."""
    # All tables here are small, and a change touches much of them.
    monkeypatch.setattr(following, "SMALL", 0)
    monkeypatch.setattr(following, "MOST", 1.0)
    found = load_company(write_company(tmp_path / "company"))
    with store.open_build(found.home) as con:
        meta.ensure(con)
        for contract in entities().values():
            ensure_tables(con, contract)
            for row in ROWS.get(contract.name, ()):
                full = {"source": "shop", "is_deleted": False, **row}
                marks = ", ".join("?" for _ in full)
                con.execute(f"INSERT INTO {contract.table} ({', '.join(full)}) VALUES ({marks})", list(full.values()))
            for copy in range(4):
                con.execute(
                    f"INSERT INTO {contract.table} SELECT * REPLACE (source_id || '+{copy}' AS source_id) "
                    f"FROM {contract.table} WHERE NOT contains(source_id, '+')"
                )
            version = records.version_of(con, contract)
            meta.remember(con, contract.table, fingerprint="put here", version=version, at=NIGHT)
        meta.replace_rows(con, "night", [("run", NIGHT.date(), NIGHT, "EUR", "Europe/Berlin", "DE")])
        meta.replace_rows(con, "setting", found.choices.items())
    return found


@pytest.mark.parametrize("seed", range(2))
def test_following_a_random_history_gives_what_building_anew_gives(company: Company, seed: int) -> None:
    steps = list(history(company, Random(seed), steps=2, now=NIGHT, share=0.3))
    assert [step.differ for step in steps] == [{}, {}]
    can_follow = {table for table, model in models_of(company).items() if model.follow}
    assert len({table for step in steps for table in step.followed} & can_follow) > len(can_follow) / 2


def test_a_change_that_is_not_followed_is_found_out(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: here nobody hears of orders that changed."""
    since = changes.since

    def deaf(con: duckdb.DuckDBPyConnection, table: str, version: str, now: str) -> str | None:
        query = since(con, table, version, now)
        return f"{query} LIMIT 0" if query and table == "core.sales_order" else query

    monkeypatch.setattr(changes, "since", deaf)
    (step,) = history(company, Random(0), steps=1, now=NIGHT, share=0.3)
    assert "mart.order_to_cash" in step.differ
