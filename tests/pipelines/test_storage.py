"""Room on the disk: nights after a compaction."""

from __future__ import annotations

import os

import duckdb
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import load_commands
from tests.pipelines.conftest import Tiny
from tests.pipelines.test_night import changed_rows, contents
from warehouse import locks, storage


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.cli import app

    for console in (app.out, app.err):
        monkeypatch.setattr(console, "_width", 250)


def on(tiny: Tiny, *words: str) -> Result:
    return CliRunner().invoke(load_commands(), ["--company", str(tiny.root), *words], catch_exceptions=False)


def waste(tiny: Tiny) -> None:
    """Leave free blocks before the end of every file, and its time as it was; those at the end DuckDB gives back."""
    for file in storage.data_files(tiny.company.home):
        stat = file.path.stat()
        with duckdb.connect(str(file.path)) as con:
            con.execute("CREATE TABLE wasted AS SELECT hash(i) AS x FROM range(400_000) AS r (i)")
            con.execute("CHECKPOINT")
            con.execute("CREATE TABLE last AS FROM range(10)")
            con.execute("CHECKPOINT")
            con.execute("DROP TABLE wasted")
        os.utime(file.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def data_versions(tiny: Tiny) -> dict[str, str]:
    """Dagster's data versions of the raw tables, as they were last."""
    from dagster import AssetKey

    from pipelines.instance import open_instance

    with open_instance(tiny.company.home) as instance:
        keys = {table: AssetKey(["raw", "shop", table]) for table in ("orders", "lines")}
        events = {table: instance.get_latest_materialization_event(key) for table, key in keys.items()}
    made = {table: event.asset_materialization for table, event in events.items() if event}
    return {table: one.tags["dagster/data_version"] for table, one in made.items() if one and one.tags}


def test_a_compaction_gives_room_back_and_the_next_night_has_nothing_to_do(tiny: Tiny) -> None:
    waste(tiny)
    before = contents(tiny, "clean", "quarantine", "identity", "core", "mart", "insight")
    versions, files = data_versions(tiny), storage.data_files(tiny.company.home)
    assert len(versions) == 2
    sizes = {file.part: file.path.stat().st_size for file in files}
    assert {"raw/crm", "raw/shop", "build", "linkage"} >= sizes.keys() >= {"raw/crm", "raw/shop", "build"}
    result = on(tiny, "compact")
    assert result.exit_code == 0
    assert "Given back: " in result.stdout
    for file in files:
        assert file.path.stat().st_size < sizes[file.part] - 2_500_000
    assert tiny.night().published
    assert changed_rows(before, contents(tiny, *{name.split(".")[0] for name in before})) == {}
    assert tiny.ask("SELECT step FROM meta.step WHERE run_id = (SELECT run_id FROM meta.night)") == []
    assert data_versions(tiny) == versions


def test_a_file_in_use_is_named_and_the_others_are_compacted(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_LOCK_WAIT_SECONDS", "0")
    with locks.hold(tiny.company.home, "raw_shop"):
        result = on(tiny, "compact")
    assert result.exit_code == 1
    assert "raw_shop is in use by process" in result.stderr
    assert "build" in result.stdout
