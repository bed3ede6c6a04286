"""A night killed in the middle (SIGKILL): readers notice nothing, and the next night ends as if nothing had been.

The moment is chosen from outside, by what lies in the lake, and proved afterwards by what the killed night left behind.
A moment that was missed is tried again on a fresh copy, and fails the test after some attempts.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.instance import PID_TAG, bury_dead_runs
from tests.pipelines.conftest import Tiny
from warehouse.company import load_company
from warehouse.sql import literal, quoted

ROOT = Path(__file__).resolve().parents[2]
ORDERS, LINES_EACH, CONTACTS = 20_000, 3, 3_000
NIGHT_SECONDS = 150
ATTEMPTS = 3

#: Says when something happened and not what; no two nights agree on it.
TIMES = ("cleaned_at", "first_seen_at", "last_seen_at", "customer_since", "account_since", "happened_at", "changed_at")
COMPARED = ("clean", "quarantine", "identity", "core", "mart", "insight")

STATE = """
SELECT
    (SELECT count(*) FROM core.customer),
    (SELECT count(*) FROM core.sales_order),
    (SELECT count(*) FROM core.order_line),
    (SELECT sum(orders)::BIGINT FROM mart.sales_daily),
    (SELECT sum(total_base)::VARCHAR FROM core.sales_order),
    (SELECT sum(total_base)::VARCHAR FROM mart.sales_daily)
"""

State = tuple[Any, ...]


@dataclass
class Reader:
    """Opens the published file again and again, as an analyst would, until told to stop."""

    path: Path
    states: list[State] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(0.02):
                self._read()

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def _read(self) -> None:
        try:
            with duckdb.connect(str(self.path), read_only=True, config={"threads": 1}) as con:
                state = con.execute(STATE).fetchone()
        except duckdb.Error as error:
            self.errors.append(str(error))
            return
        assert state is not None
        self.states.append(state)

    def saw_only(self, *allowed: State, at_least: int) -> None:
        """Every read worked and gave one of the whole states, in this order."""
        assert self.errors == []
        assert len(self.states) >= at_least
        seen = [state for i, state in enumerate(self.states) if i == 0 or state != self.states[i - 1]]
        assert seen == list(allowed)


def state_of(tiny: Tiny) -> State:
    (state,) = tiny.ask(STATE)
    _, orders, _, orders_by_day, total, total_by_day = state
    assert orders == orders_by_day
    assert total == total_by_day
    return state


def grow(tiny: Tiny) -> None:
    """Tonight's exports: one person changed, and enough rows that no stage is over in an instant."""
    contacts = tiny.export("crm/contacts.csv")
    changed = contacts.read_text().replace("ANNA BERG", "Anna Bergmann")
    people = "".join(
        f"{i},Person {i},person{i}@example.com,030 23125 {i % 1000:03}\n" for i in range(10, CONTACTS + 10)
    )
    contacts.write_text(changed + people)
    orders, lines = [], []
    for i in range(ORDERS):
        placed = f"2026-{i % 10 + 1:02}-{i % 28 + 1:02} {i % 24:02}:{i % 60:02}"
        orders.append(f'B{i},person{i % (CONTACTS * 2)}@example.com,EUR,"{LINES_EACH * 10},00",{placed}\n')
        for j in range(LINES_EACH):
            lines.append(f'B{i}-{j},B{i},SKU-{i * 7 % 200},1,"10,00","10,00"\n')
    with tiny.export("shop/orders.csv").open("a") as file:
        file.writelines(orders)
    with tiny.export("shop/lines.csv").open("a") as file:
        file.writelines(lines)


def start(tiny: Tiny, log: Path) -> subprocess.Popen[bytes]:
    """`millpond run` in a process group of its own."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-c", "from pipelines.cli import main; main()", "--company", str(tiny.root), "run"],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def finish(tiny: Tiny, log: Path) -> None:
    """A night to its end; one that hangs fails the test."""
    process = start(tiny, log)
    try:
        status = process.wait(timeout=NIGHT_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        pytest.fail(f"The night still ran after {NIGHT_SECONDS} s:\n{log.read_text()[-2000:]}")
    assert status in (0, 3), log.read_text()[-3000:]


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_when(tiny: Tiny, log: Path, has_come: Callable[[Tiny], bool]) -> bool:
    """Run a night and kill it once the moment has come; False if the night was over before."""
    process = start(tiny, log)
    end = time.monotonic() + NIGHT_SECONDS
    while process.poll() is None:
        if has_come(tiny):
            kill(process)
            return process.returncode == -signal.SIGKILL
        if time.monotonic() > end:
            kill(process)
            pytest.fail(f"The moment did not come within {NIGHT_SECONDS} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.005)
    return False


def step_has_begun(tiny: Tiny, step: str) -> bool:
    """Whether the newest Dagster run has begun a step, read from its event log."""
    logs = [path for path in (tiny.company.home.dagster / "history" / "runs").glob("*.db") if path.stem != "index"]
    newest = max(logs, key=lambda path: path.stat().st_ctime_ns)
    try:
        with sqlite3.connect(f"file:{newest}?mode=ro", uri=True, timeout=5) as con:
            found = con.execute(
                "SELECT 1 FROM event_logs WHERE dagster_event_type = 'STEP_START' AND step_key = ?", [step]
            ).fetchone()
    except sqlite3.OperationalError:
        return False
    return found is not None


def file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def count_in_build(tiny: Tiny, table: str) -> int:
    with duckdb.connect(str(tiny.company.home.build), read_only=True) as con:
        row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
    return row[0] if row else 0


@dataclass(frozen=True)
class Moment:
    """When to kill, and what must lie in the lake afterwards to prove that it was then."""

    has_come: Callable[[Tiny], bool]
    was_hit: Callable[[Tiny], bool]


def _has_written(tiny: Tiny, step: str) -> bool:
    """Whether a step has committed much to the build database and is on to the next thing."""
    build = tiny.company.home.build
    try:
        log = build.with_name(build.name + ".wal").stat()
    except FileNotFoundError:
        return False
    return log.st_size > 1_000_000 and time.time() - log.st_mtime > 0.1 and step_has_begun(tiny, step)


def _working_folder(tiny: Tiny) -> Path:
    return tiny.company.home.raw / ".dlt" / "shop"


def _raw_log(tiny: Tiny) -> Path:
    return tiny.company.home.raw / "shop.duckdb.wal"


def _partial_files(tiny: Tiny) -> list[Path]:
    return list(tiny.company.home.versions.glob("*.partial"))


def _clean_is_half_done(tiny: Tiny) -> bool:
    return (
        count_in_build(tiny, "clean.sales_order") > ORDERS
        and count_in_build(tiny, "clean.order_line") < ORDERS
        and count_in_build(tiny, "core.sales_order") < ORDERS
    )


def _model_is_half_done(tiny: Tiny) -> bool:
    return count_in_build(tiny, "core.customer") > CONTACTS and count_in_build(tiny, "mart.customer_360") < CONTACTS


#: Nights that are killed one after the other, before one may end.
MOMENTS = {
    "ingest: while files are read, then while rows are written": [
        Moment(
            has_come=lambda tiny: any((_working_folder(tiny) / "scratch").glob("*")),
            was_hit=lambda tiny: _working_folder(tiny).is_dir(),
        ),
        Moment(
            has_come=lambda tiny: file_size(_raw_log(tiny)) > 0,
            was_hit=lambda tiny: _working_folder(tiny).is_dir() and _raw_log(tiny).exists(),
        ),
    ],
    "refresh: between two clean tables, then in the middle of the model": [
        Moment(has_come=lambda tiny: _has_written(tiny, "clean_sales"), was_hit=_clean_is_half_done),
        Moment(has_come=lambda tiny: _has_written(tiny, "build_core"), was_hit=_model_is_half_done),
    ],
    "publish: while the file is copied": [
        Moment(
            has_come=lambda tiny: any(file_size(path) > 0 for path in _partial_files(tiny)),
            was_hit=lambda tiny: bool(_partial_files(tiny)),
        )
    ],
}


@dataclass(frozen=True)
class Nights:
    """The company before the night under test, what an undisturbed one makes of it, and what readers see of both."""

    before: Tiny
    after: Tiny
    state_before: State
    state_after: State


def copy_of(tiny: Tiny, folder: Path) -> Tiny:
    """The same lake elsewhere, with the published file again a second name of its version."""
    shutil.copytree(tiny.root, folder)
    lake = folder / "lake"
    inode = tiny.company.home.warehouse.stat().st_ino
    version = next(v for v in tiny.company.home.versions.glob("*.duckdb") if v.stat().st_ino == inode)
    (lake / "warehouse.duckdb").unlink()
    (lake / "warehouse.duckdb").hardlink_to(lake / "versions" / version.name)
    return Tiny(load_company(folder))


@pytest.fixture(scope="module")
def nights(first_night: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    before = copy_of(first_night, folder / "before")
    grow(before)
    after = copy_of(before, folder / "after")
    state_before = state_of(before)
    with Reader(after.company.home.warehouse).reading() as reader:
        finish(after, folder / "log")
    state_after = state_of(after)
    reader.saw_only(state_before, state_after, at_least=50)
    return Nights(before, after, state_before, state_after)


def differences(one: Tiny, other: Tiny) -> dict[str, int]:
    """Rows that only one of two warehouses has, by table, times aside."""
    found = {}
    with duckdb.connect() as con:
        for name, tiny in (("one", one), ("other", other)):
            con.execute(f"ATTACH {literal(str(tiny.company.home.warehouse))} AS {name} (READ_ONLY)")
        listed = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE list_contains(?, schema_name) "
            "GROUP BY ALL ORDER BY ALL",
            [list(COMPARED)],
        ).fetchall()
        for schema, table in listed:
            described = con.execute(f"DESCRIBE one.{schema}.{quoted(table)}").fetchall()
            columns = ", ".join(_without_times(schema, name) for name, *_ in described if name not in TIMES)
            sides = [f"(SELECT {columns} FROM {name}.{schema}.{quoted(table)})" for name in ("one", "other")]
            rows = [con.execute(f"{a} EXCEPT ALL {b}").fetchall() for a, b in (sides, sides[::-1])]
            if rows[0] or rows[1]:
                found[f"{schema}.{table}"] = len(rows[0]) + len(rows[1])
    assert len(listed) > 60
    return found


def _without_times(schema: str, column: str) -> str:
    """A column as SQL; the row that quarantine keeps as JSON has a time inside."""
    if (schema, column) == ("quarantine", "row"):
        return "json_merge_patch(row, '{\"cleaned_at\": null}')"
    return quoted(column)


def traces_of_dead_runs(tiny: Tiny) -> tuple[list[str], list[str]]:
    """Runs that Dagster still takes for running, and the pools in which somebody holds a place."""
    from dagster import DagsterInstance, DagsterRunStatus

    with DagsterInstance.from_config(str(tiny.company.home.dagster)) as instance:
        over = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}
        running = [run.run_id for run in instance.get_runs() if run.status not in over]
        pools = sorted(instance.event_log_storage.get_concurrency_keys())
        infos = [instance.event_log_storage.get_concurrency_info(pool) for pool in pools]
    taken = [info.concurrency_key for info in infos if info.claimed_slots or info.pending_steps]
    return running, taken


def killed_company(nights: Nights, folder: Path, moments: Sequence[Moment]) -> Tiny:
    """A copy of the company whose nights were killed at the moments."""
    for attempt in range(ATTEMPTS):
        tiny = copy_of(nights.before, folder / f"attempt{attempt}")
        if all(was_killed(nights, tiny, folder / "log", moment) for moment in moments):
            return tiny
    pytest.fail(f"The moment was missed {ATTEMPTS} times; the night changed, so choose it anew.")


def was_killed(nights: Nights, tiny: Tiny, log: Path, moment: Moment) -> bool:
    """Run a night into its end at the moment; False if the moment was missed."""
    with Reader(tiny.company.home.warehouse).reading() as reader:
        killed = kill_when(tiny, log, moment.has_come)
    reader.saw_only(nights.state_before, *(() if killed else (nights.state_after,)), at_least=5)
    return killed and moment.was_hit(tiny)


@pytest.mark.parametrize("name", MOMENTS)
def test_next_night_ends_like_an_undisturbed_one(name: str, nights: Nights, tmp_path: Path) -> None:
    tiny = killed_company(nights, tmp_path, MOMENTS[name])
    inode = tiny.company.home.warehouse.stat().st_ino
    running, _ = traces_of_dead_runs(tiny)
    assert len(running) == 1
    with Reader(tiny.company.home.warehouse).reading() as reader:
        finish(tiny, tmp_path / "log")
    reader.saw_only(nights.state_before, nights.state_after, at_least=20)
    assert tiny.company.home.warehouse.stat().st_ino != inode
    assert differences(tiny, nights.after) == {}
    assert traces_of_dead_runs(tiny) == ([], [])
    assert _partial_files(tiny) == []
    assert not (tiny.company.home.raw / ".dlt" / "shop").exists()


def test_comparison_sees_a_difference(nights: Nights) -> None:
    found = differences(nights.before, nights.after)
    assert found["clean.sales_order"] == ORDERS
    assert found["clean.contact"] == CONTACTS + 2


def test_night_that_died_before_it_noted_what_it_cleaned(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = tiny.export("shop/orders.csv")
    orders.write_text(orders.read_text().replace('"12,50",2026', '"13,50",2026'))

    def die(*args: object) -> None:
        raise RuntimeError("the night ends here")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.refresh.clean._conclude", die)
        assert "the night ends here" in tiny.night().failure
    assert tiny.night().published
    assert tiny.ask("SELECT total::VARCHAR FROM core.sales_order WHERE order_number = 'A2'") == [("13.5000",)]


@pytest.mark.parametrize("pid", [os.getpid(), 1, 999_999_999], ids=["this process", "the first process", "nobody"])
def test_dead_run_is_buried_whoever_has_its_number_now(pid: int) -> None:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        tagged = {PID_TAG: str(pid)}
        dead = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED, tags=tagged)
        daemons = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED)
        over = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.SUCCESS, tags=tagged)
        assert bury_dead_runs(instance) == [dead.run_id]
        statuses = [instance.get_run_by_id(run.run_id).status.value for run in (dead, daemons, over)]  # type: ignore[union-attr]
    assert statuses == ["FAILURE", "STARTED", "SUCCESS"]


def _job() -> Any:
    import dagster as dg

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def anything() -> None:
        nothing()

    return anything
