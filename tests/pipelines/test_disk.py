"""Nights on a disk that is too small, fills up or may only be read, and with too little memory.

One sentence, exit status 1, nothing harmed; with what was missing, the next night ends as if nothing had been.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import load_commands
from tests.disks import Disk, mounted
from tests.pipelines.conftest import Tiny
from tests.pipelines.test_kill import differences, state_of, traces_of_dead_runs
from warehouse import decisions
from warehouse.company import load_company


def on(tiny: Tiny, *words: str) -> Result:
    return CliRunner().invoke(load_commands(), ["--company", str(tiny.root), *words], catch_exceptions=False)


def sentence(result: Result) -> str:
    """The only thing that a failed night says, beside its progress."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert "Exception" not in result.output
    (told,) = re.findall(r"✗ (.*)", result.stderr)
    return str(told)


@dataclass(frozen=True)
class OnDisk:
    """A company whose data home is a disk of its own."""

    tiny: Tiny
    disk: Disk


@pytest.fixture
def small(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnDisk]:
    """A copy of the company after its first night, on a disk of its own, with somebody's decision."""
    with mounted(tmp_path / "disk", untested="a night on a disk that fills up or may only be read") as disk:
        shutil.copytree(tiny.root / "lake", disk.folder, dirs_exist_ok=True)
        (disk.folder / "warehouse.duckdb").unlink()
        (disk.folder / "warehouse.duckdb").hardlink_to(next((disk.folder / "versions").glob("*.duckdb")))
        monkeypatch.setenv("MILLPOND_HOME", str(disk.folder))
        on_disk = Tiny(load_company(tiny.root))
        assert on_disk.company.home.root == disk.folder
        left, right = "crm/contact/1", "crm/contact/2"
        decisions.decide(on_disk.company.home, left, right, "different", by="me", at=datetime.now(UTC))
        yield OnDisk(on_disk, disk)


def change(tiny: Tiny) -> None:
    with tiny.export("shop/orders.csv").open("a") as file:
        file.writelines(f'B{i},jan@example.org,EUR,"1,00",2026-10-05 09:00\n' for i in range(500))
    with tiny.export("crm/contacts.csv").open("a") as file:
        file.writelines(f"{i},Person {i},person{i}@example.com,030 23125 {i:03}\n" for i in range(10, 300))


#: Bytes free when the night begins, and what it is about when they are used up.
STAGES = {300_000: "Loading crm", 14_000_000: "clean", 30_000_000: "publish"}


def test_nights_that_the_machine_cuts_off_harm_nothing(
    small: OnDisk, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quality.storage.refusal", lambda *_: None)
    change(tiny)
    home = small.tiny.company.home
    before, decided = state_of(small.tiny), decisions.read(home)

    def cut_off() -> tuple[str, str]:
        result = on(small.tiny, "run")
        assert state_of(small.tiny) == before
        assert decisions.read(home) == decided
        return sentence(result), result.stderr

    with monkeypatch.context() as patch:
        patch.setenv("MILLPOND_MEMORY_LIMIT", "4MB")
        told, _ = cut_off()
        assert "DuckDB may use 4MB (MILLPOND_MEMORY_LIMIT). Give it more" in told
    for free, moment in STAGES.items():
        small.disk.leave_free(free)
        told, progress = cut_off()
        assert told.startswith("The disk is full")
        assert f"did not fit on the file system {small.disk.folder} (" in told
        assert moment in progress
    small.disk.leave_free(1_000_000_000)
    assert on(small.tiny, "run").exit_code == 0
    monkeypatch.delenv("MILLPOND_HOME")
    shutil.copyfile(home.decisions, tiny.company.home.decisions)
    assert tiny.night().published
    assert differences(small.tiny, tiny) == {}
    assert traces_of_dead_runs(small.tiny) == ([], [])


def test_a_disk_that_cannot_hold_the_night_is_left_alone(small: OnDisk) -> None:
    home = small.tiny.company.home
    small.disk.leave_free(home.build.stat().st_size)
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*")}
    told = sentence(on(small.tiny, "run"))
    assert told.startswith("No night was begun: it needs at least ")
    assert {path: path.stat().st_mtime_ns for path in home.root.rglob("*")} == before


def test_a_home_that_may_only_be_read(small: OnDisk) -> None:
    before = state_of(small.tiny)
    small.disk.close()
    assert f"{small.disk.folder} cannot be written" in sentence(on(small.tiny, "run"))
    for command in ("status", "sources", "versions"):
        assert on(small.tiny, command).exit_code == 0
    assert state_of(small.tiny) == before


def test_a_home_that_is_not_there_or_is_a_file(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_HOME", str(tmp_path / "unmounted" / "lake"))
    assert "does not exist. Mount its disk" in sentence(on(tiny, "run"))
    assert not (tmp_path / "unmounted").exists()
    monkeypatch.setenv("MILLPOND_HOME", str(tiny.root / "millpond.toml"))
    assert "is a file and no data home" in sentence(on(tiny, "run"))
