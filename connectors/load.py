"""Runs one source's load into `lake/raw/<source>.duckdb` with dlt, whatever the connector.

Safe to kill at any moment: dlt's working folder is thrown away before each load, the state comes back from the raw
file, and what a connector hands over may be loaded twice. What a connector had read by then waits in its `pending`
folder. What to load is the connector's business.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors import registry
from connectors.base import (
    SCHEMA,
    Connector,
    ConnectorError,
    Extraction,
    Finding,
    LoadReport,
    Progress,
    RawFileHeldError,
    Source,
    SourceCount,
    Workspace,
)
from warehouse import clock

if TYPE_CHECKING:
    import duckdb

# dlt keeps its context in one container per process.
_ONE_PIPELINE_AT_A_TIME = threading.Lock()
_DUCKDB_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1GB",
    "preserve_insertion_order": False,
}


def load(source: Source, *, raw_dir: Path, progress: Progress | None = None, wait_seconds: float = 30.0) -> LoadReport:
    """Brings the source's raw file up to date.

    Readers of the raw file are shut out only while rows are written, not while files or pages are read.

    Args:
        source: what to load.
        raw_dir: the folder of raw files.
        progress: called with (what, done, total or None); from the loading thread.
        wait_seconds: how long to wait for another process that holds the raw file.

    Raises:
        RawFileHeldError: another process still held the raw file after `wait_seconds`.
        ConnectorError: the options are wrong, or the source or dlt failed.
    """
    started = time.monotonic()
    connector = registry.get(source.connector)
    raw_file = raw_dir / f"{source.name}.duckdb"
    work = raw_dir / ".dlt" / source.name
    work.parent.mkdir(parents=True, exist_ok=True)
    with _alone(work.with_suffix(".lock"), source, wait_seconds), _emptied(work):
        workspace = Workspace(
            raw_file=raw_file,
            scratch=work / "scratch",
            pending=raw_dir / ".pending" / source.name,
            loaded_at=clock.now(),
            progress=progress or (lambda what, done, total: None),
            connect=_connecting(raw_file, source, wait_seconds),
        )
        report = _load_once(source, connector, workspace, work)
        if report.again:
            report = report.then(_load_once(source, connector, workspace, work))
    return LoadReport(
        source=source.name,
        tables=report.rows,
        files_read=report.files_read,
        findings=report.findings,
        changed=report.changed,
        seconds=time.monotonic() - started,
        counts=report.counts,
    )


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What one pass over a source did."""

    rows: dict[str, int]
    files_read: list[str]
    findings: list[Finding]
    counts: list[SourceCount]
    changed: bool
    again: bool

    def then(self, later: _Done) -> _Done:
        """Both passes as one; what the source has is what the later one saw."""
        tables = self.rows.keys() | later.rows.keys()
        return _Done(
            rows={table: self.rows.get(table, 0) + later.rows.get(table, 0) for table in sorted(tables)},
            files_read=[*self.files_read, *later.files_read],
            findings=[*self.findings, *later.findings],
            counts=later.counts,
            changed=self.changed or later.changed,
            again=False,
        )


def _load_once(source: Source, connector: Connector, workspace: Workspace, work: Path) -> _Done:
    shutil.rmtree(workspace.scratch, ignore_errors=True)
    workspace.scratch.mkdir()
    extraction = connector.build(source, workspace)
    changed = extraction.resources is not None or extraction.settle is not None
    rows = _write(source, extraction, workspace, work) if changed else {}
    if extraction.close is not None:
        extraction.close()
    return _Done(
        rows=rows,
        files_read=list(extraction.files_read),
        findings=list(extraction.findings),
        counts=list(extraction.counts),
        changed=changed,
        again=extraction.again,
    )


def _write(source: Source, extraction: Extraction, workspace: Workspace, work: Path) -> dict[str, int]:
    rows: dict[str, int] = {}
    with workspace.connect(False) as connection:
        if extraction.resources is not None:
            rows = _run_dlt(source, extraction.resources, connection, workspace, work)
        if extraction.settle is not None:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.begin()
            extraction.settle(connection)
            connection.commit()
        # dlt leaves the rows of a merge in its staging schema until the next load.
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}_staging CASCADE")
        connection.execute("CHECKPOINT")
    return dict(extraction.rows) if extraction.rows is not None else rows


def _run_dlt(
    source: Source,
    resources: Callable[[], Sequence[Any]],
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    work: Path,
) -> dict[str, int]:
    import dlt
    from dlt.pipeline.exceptions import PipelineStepFailed

    with _ONE_PIPELINE_AT_A_TIME:
        _seclude_dlt(work)
        pipeline = dlt.pipeline(
            pipeline_name=source.name,
            pipelines_dir=str(work / "pipelines"),
            destination=dlt.destinations.duckdb(connection),
            dataset_name=SCHEMA,
            progress=_collector(workspace.progress),
        )
        try:
            pipeline.run(list(resources()), loader_file_format="parquet")
        except PipelineStepFailed as error:
            raise ConnectorError(
                f"Source '{source.name}': dlt failed in its step '{error.step}': {_said(error.exception)}. What was "
                "loaded before is kept; the next load starts over."
            ) from error
        finally:
            pipeline.deactivate()
    trace = pipeline.last_trace
    counts = trace.last_normalize_info.row_counts if trace and trace.last_normalize_info else {}
    return {table: count for table, count in counts.items() if not table.startswith("_dlt")}


def _said(error: BaseException | None) -> str:
    """What an exception of dlt's says, without the tracebacks that it quotes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")


def _seclude_dlt(work: Path) -> None:
    """Makes dlt deaf to environment variables and config files lying about, and keeps it from phoning home.

    The context stays: dlt's own would start telemetry the moment it is created, even to be put back.
    """
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import DictionaryProvider
    from dlt.common.configuration.providers.provider import ConfigProvider
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
    from dlt.common.runtime.run_context import RunContext

    class Secluded(RunContext):
        global_dir = run_dir = local_dir = data_dir = property(lambda self: str(work))

        def initial_providers(self) -> list[ConfigProvider]:
            provider = DictionaryProvider()
            provider.set_value("dlthub_telemetry", False, "", "runtime")
            # It logs whole tracebacks of errors that it raises as well.
            provider.set_value("log_level", "CRITICAL", "", "runtime")
            return [provider]

    Container()[PluggableRunContext] = PluggableRunContext(Secluded(str(work)))


def _collector(progress: Progress) -> Any:
    from dlt.common.runtime.collector import NullCollector

    class Relay(NullCollector):
        """Passes dlt's counters on as they grow."""

        def __init__(self) -> None:
            self.done: dict[str, int] = {}

        def update(self, name: str, inc: int = 1, total: int | None = None, *args: Any, **kwargs: Any) -> None:
            self.done[name] = self.done.get(name, 0) + (inc or 0)
            if not name.startswith("_dlt"):
                progress(name, self.done[name], total)

    return Relay()


def _connecting(raw_file: Path, source: Source, wait_seconds: float) -> Callable[[bool], duckdb.DuckDBPyConnection]:
    def connect(read_only: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        patience = time.monotonic() + wait_seconds
        while True:
            try:
                return duckdb.connect(str(raw_file), read_only=read_only, config=_DUCKDB_CONFIG)
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                if not _is_held(error):
                    raise ConnectorError(
                        f"{raw_file} of source '{source.name}' cannot be opened: {error}. If it is damaged, delete "
                        "it: the next load reads everything again."
                    ) from error
                if time.monotonic() > patience:
                    raise RawFileHeldError(
                        f"{raw_file} of source '{source.name}' is open in another program ({error}); close that "
                        "program and load again."
                    ) from error
            time.sleep(0.2)

    return connect


def _is_held(error: Exception) -> bool:
    words = str(error).lower()
    return "set lock" in words or "different configuration" in words or "used by another process" in words


@contextmanager
def _alone(lock_file: Path, source: Source, wait_seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock_file, timeout=wait_seconds):
            yield
    except Timeout as error:
        raise RawFileHeldError(
            f"Source '{source.name}' is being loaded by another process (it holds {lock_file}); wait for it to end."
        ) from error


@contextmanager
def _emptied(work: Path) -> Iterator[None]:
    """Gives an empty folder, and removes it afterwards; what a killed load left behind goes first."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(work, ignore_errors=True)
