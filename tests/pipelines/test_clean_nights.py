"""Nights of changes clean what changed, and leave the same tables as if all had been cleaned again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import duckdb
import pytest

from bench.cleaning import Shop, a_company, clean, history, written
from pipelines.refresh.plan import ask_all
from transforms.clean import memory
from transforms.models import load_models, told_of
from warehouse import records
from warehouse.company import Company, load_company
from warehouse.contracts import entities


@pytest.fixture(autouse=True)
def _any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows as few as these every change is a large share."""
    monkeypatch.setattr(memory, "MOST_CHANGED", 1.0)


@pytest.mark.parametrize("seed", range(2))
def test_a_random_history_gives_what_cleaning_all_gives(seed: int, tmp_path: Path) -> None:
    steps = list(history(tmp_path, Random(seed), nights=9))
    assert {f"{differs} after {step.happened}" for step in steps for differs in step.differ} == set()
    assert sum(step.cleaned for step in steps) < sum(step.read for step in steps) / 2
    assert sum(step.logged for step in steps) > 5


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """A company after its first night."""
    Shop(Random(1)).write(tmp_path / "raw")
    found = a_company(tmp_path / "company", tmp_path / "raw")
    clean(found, 0)
    return found


def cleaned_all(company: Company, tmp_path: Path) -> dict[str, bool]:
    """Let one order change, and clean; of each entity and source, whether all was cleaned."""
    with duckdb.connect(str(tmp_path / "raw" / "shop.duckdb")) as con:
        con.execute("UPDATE shop.raw.orders SET total = total || '1' WHERE id = (SELECT min(id) FROM shop.raw.orders)")
    found = clean(company, 1)
    return {f"{name}@{s}": r.cleaned is None for name, c in found.items() for s, r in c.reports.items()}


def test_a_night_cleans_what_changed(company: Company, tmp_path: Path) -> None:
    assert cleaned_all(company, tmp_path) == {"sales_order@shop": False, "order_line@shop": False}


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no database" * 999)])
def test_all_is_cleaned_where_nothing_usable_is_kept(
    damage: Callable[[Path], object], company: Company, tmp_path: Path
) -> None:
    damage(company.home.cleaning)
    assert set(cleaned_all(company, tmp_path).values()) == {True}
    assert cleaned_all(company, tmp_path) == {"sales_order@shop": False, "order_line@shop": False}


def test_all_is_cleaned_where_what_is_kept_is_of_another_night(company: Company, tmp_path: Path) -> None:
    kept = company.home.cleaning.read_bytes()
    cleaned_all(company, tmp_path)
    company.home.cleaning.write_bytes(kept)
    assert set(cleaned_all(company, tmp_path).values()) == {True}


def test_all_is_cleaned_after_a_night_that_died_before_it_kept_anything(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise RuntimeError("the night ends here")

    with monkeypatch.context() as patch:
        patch.setattr(memory.Memory, "keep", die)
        with pytest.raises(RuntimeError, match="ends here"):
            cleaned_all(company, tmp_path)
    assert cleaned_all(company, tmp_path)["sales_order@shop"]


def test_all_is_cleaned_when_other_code_cleans(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.refresh.clean._cleaning_code", lambda: "other")
    assert set(cleaned_all(company, tmp_path).values()) == {True}


def test_all_is_cleaned_when_everything_is_asked_for(company: Company, tmp_path: Path) -> None:
    before = written(company, with_times=True)
    ask_all(company)
    assert not company.home.cleaning.exists()
    found = clean(company, 0)
    assert [r.cleaned for c in found.values() for r in c.reports.values()] == [None] * 4
    assert written(company, with_times=True) == before


def test_all_is_cleaned_where_much_changed(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_CHANGED", 0.01)
    assert cleaned_all(company, tmp_path)["sales_order@shop"]


def test_a_source_that_nothing_maps_any_more_is_forgotten(company: Company) -> None:
    (company.root / "mappings" / "api" / "order_line.sql").unlink()
    clean(load_company(company.root), 1)
    with duckdb.connect(str(company.home.cleaning), read_only=True) as con:
        assert con.execute("SELECT source FROM state WHERE entity = 'order_line'").fetchall() == [("shop",)]


def test_what_models_follow_is_logged() -> None:
    models = load_models([]).values()
    for contract in entities().values():
        assert set(told_of(models, contract.table)) <= {"source", "source_id", *records.told_of(contract)}
