"""Room on the disk: what nights measure, say and give back, and nights after a compaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import load_commands
from tests.pipelines.conftest import Tiny
from tests.pipelines.test_night import changed_rows, contents
from warehouse import locks, storage
from warehouse.home import Home


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
    assert sizes.keys() >= {"raw/crm", "raw/shop", "build"}
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


def test_a_night_measures_and_tells(tiny: Tiny) -> None:
    home = tiny.company.home
    build = home.build.stat().st_size
    parts = dict(tiny.ask("SELECT part, size_bytes FROM meta.storage WHERE night = 1"))
    assert parts.keys() - {"linkage", "cleaning"} == {"raw/crm", "raw/shop", "build", "dagster", "other"}
    assert parts["raw/shop"] == home.raw_file("shop").stat().st_size
    assert 0 < parts["build"] < 2 * build
    known = tiny.ask("SELECT part FROM meta.storage WHERE free_bytes IS NULL AND night = 1 ORDER BY 1")
    assert known == [("dagster",), ("other",)]
    assert tiny.night().published
    assert tiny.ask("SELECT DISTINCT night FROM meta.storage ORDER BY 1") == [(1,), (2,)]
    assert "versions" in dict(tiny.ask("SELECT part, size_bytes FROM meta.storage WHERE night = 2"))
    status = on(tiny, "status").stdout
    assert "free on its disk; how long that will do can be told after 10 nights." in status


def test_a_disk_that_will_not_do_is_a_warning(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "disk_free", lambda home: home.build.stat().st_size + (70 << 20))
    result = on(tiny, "run")
    assert result.exit_code == 3
    assert "but a night may need" in result.stdout
    assert "meta.storage: disk_has_room" in (status := on(tiny, "status").stdout)
    assert "make room on the disk" in status
    from dagster import AssetCheckKey

    from pipelines.assets.release import WAREHOUSE
    from pipelines.instance import open_instance

    with open_instance(tiny.company.home) as instance:
        events = instance.event_log_storage
        key = AssetCheckKey(WAREHOUSE, "disk_has_room")
        made = instance.get_latest_materialization_event(WAREHOUSE)
        (check,) = events.get_latest_asset_check_execution_by_key([key]).values()
    assert check.event is not None
    assert check.event.dagster_event is not None
    assert not check.event.dagster_event.asset_check_evaluation_data.passed
    assert made is not None
    assert made.asset_materialization is not None
    assert {"data_home_bytes", "disk_free_bytes"} <= made.asset_materialization.metadata.keys()


def test_wasteful_files_are_compacted_every_seventh_night(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from quality import storage as judgement

    monkeypatch.setattr(judgement, "LEAST_FREE", 1_000_000)
    waste(tiny)
    sizes = {file.part: file.path.stat().st_size for file in storage.data_files(tiny.company.home)}
    with duckdb.connect(str(tiny.company.home.build)) as con:
        con.execute("UPDATE meta.storage SET night = 5")
    assert tiny.night().published
    raw = tiny.company.home.raw_file("shop")
    assert raw.stat().st_size == sizes["raw/shop"]
    assert tiny.night().published
    assert raw.stat().st_size < sizes["raw/shop"] / 2
    assert tiny.night().published
    assert tiny.ask("SELECT step FROM meta.step WHERE run_id = (SELECT run_id FROM meta.night)") == []


def test_old_runs_go_but_what_was_last_told_of_an_asset_stays(tmp_path: Path) -> None:
    import dagster as dg

    from pipelines.instance import forget_old_runs, open_instance

    @dg.asset(check_specs=[dg.AssetCheckSpec("is_good", asset="often")])
    def often() -> Iterator[Any]:
        yield dg.AssetCheckResult(passed=True, asset_key="often", check_name="is_good")
        yield dg.MaterializeResult()

    @dg.asset
    def once() -> None: ...

    job = dg.define_asset_job("refresh")
    defs = dg.Definitions(assets=[often, once], jobs=[job], executor=dg.in_process_executor)
    with open_instance(Home(tmp_path)) as instance:
        runs = []
        for number in range(5):
            chosen = [dg.AssetKey("often"), dg.AssetKey("once")][: 2 if number == 1 else 1]
            resolved = defs.resolve_job_def("refresh")
            runs.append(resolved.execute_in_process(instance=instance, asset_selection=chosen).run_id)
        assert forget_old_runs(instance, keep=5) == 0
        assert forget_old_runs(instance, keep=2) == 2
        assert {run.run_id for run in instance.get_runs()} == {runs[1], runs[3], runs[4]}
        assert instance.get_latest_materialization_event(dg.AssetKey("once")) is not None
        files = {path.name.partition(".")[0] for path in (tmp_path / "dagster" / "history" / "runs").glob("*.db*")}
        assert files == {"index", runs[1], runs[3], runs[4]}
        assert list((tmp_path / "dagster" / "storage").glob(f"{runs[0]}*")) == []
        assert len(instance.all_logs(runs[4])) > 3
    with closing(sqlite3.connect(tmp_path / "dagster" / "history" / "runs" / "index.db")) as con:
        told = con.execute("SELECT DISTINCT run_id FROM event_logs UNION SELECT run_id FROM asset_check_executions")
        assert {run_id for (run_id,) in told} == {runs[1], runs[3], runs[4]}
