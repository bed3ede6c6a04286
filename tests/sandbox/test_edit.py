"""The edits of a next night: each changes what it says and nothing else."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from sandbox import edit, generate
from sandbox.files import MARKER


@pytest.fixture
def mine(company: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(company, tmp_path / "mine"))


def rows(company: Path, file: str) -> dict[str, dict[str, str]]:
    with (company / file).open(encoding="utf-8", newline="") as stream:
        return {row["Id"]: row for row in csv.DictReader(stream)}


def changed_files(company: Path, mine: Path) -> set[str]:
    before = {p.relative_to(company): p.read_bytes() for p in company.rglob("*") if p.is_file()}
    after = {p.relative_to(mine): p.read_bytes() for p in mine.rglob("*") if p.is_file()}
    return {k.as_posix() for k in before.keys() | after.keys() if before.get(k) != after.get(k)} - {MARKER}


def test_a_new_month_has_orders_and_their_lines(company: Path, mine: Path) -> None:
    change = edit.add_month(mine, orders=3)
    assert len(change.added) == 3
    assert set(rows(mine, change.file)) == set(change.added)
    assert changed_files(company, mine) == {change.file, change.file.replace("orders_", "order_lines_")}
    lines = (mine / change.file.replace("orders_", "order_lines_")).read_text()
    assert all(order in lines for order in change.added)
    with pytest.raises(FileExistsError, match="already has orders"):
        edit.add_month(mine)


def test_one_changed_order_leaves_the_others(company: Path, mine: Path) -> None:
    change = edit.change_order(mine, value="Worms")
    before, after = rows(company, change.file), rows(mine, change.file)
    assert {key for key in before if before[key] != after[key]} == set(change.changed)
    assert after[change.changed[0]]["Shipping City"] == "Worms"
    assert changed_files(company, mine) == {change.file}


def test_a_removed_order_is_gone(company: Path, mine: Path) -> None:
    change = edit.remove_order(mine)
    assert rows(company, change.file).keys() - rows(mine, change.file).keys() == set(change.removed)


def test_a_mended_total_belonged_to_a_bad_order(company: Path, mine: Path) -> None:
    change = edit.mend_total(mine)
    assert rows(company, change.file)[change.changed[0]]["Total"] == ""
    assert rows(mine, change.file)[change.changed[0]]["Total"] == "50.00"


def test_an_added_column_is_in_every_row(mine: Path) -> None:
    change = edit.add_column(mine)
    assert {row["Gift Wrap"] for row in rows(mine, change.file).values()} == {"no"}


def test_corrupting_and_removing_touch_only_their_files(company: Path, mine: Path) -> None:
    change = edit.corrupt(mine)
    assert changed_files(company, mine) == {change.file}
    edit.remove_source(mine, "meta_ads")
    assert not (mine / "exports/meta_ads").exists()


def test_a_folder_without_exports_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m sandbox write"):
        edit.change_order(tmp_path)


def test_writing_again_undoes_the_edits(company: Path, mine: Path, scale: float) -> None:
    edit.remove_source(mine, "web")
    edit.add_month(mine)
    assert generate.write(mine, scale=scale) is True
    assert not changed_files(company, mine)
