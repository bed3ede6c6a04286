"""What the machine refuses is told from other faults, and named with what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import duckdb
import pytest

from tests.disks import mounted
from warehouse import machine, store
from warehouse.home import Home
from warehouse.machine import MachineError, require_home, sentence_of, telling

FULL = "No space left on device"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "lake").create()


def wrapped(error: Exception, *, shown: bool = True) -> Exception:
    """The error as what another one came from."""
    try:
        try:
            raise error
        except Exception as inner:
            if shown:
                raise RuntimeError("the step failed") from inner
            raise RuntimeError("the step failed") from None
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, FULL, "/somewhere/else"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        duckdb.IOException(f'IO Error: Could not write file "build.duckdb": {FULL}'),
        duckdb.TransactionException(f'Failed to commit: Could not write file "build.duckdb.wal": {FULL}'),
        duckdb.OutOfMemoryException("failed to offload data block. This limit was set by 'max_temp_directory_size'."),
        sqlite3.OperationalError("database or disk is full"),
        wrapped(OSError(errno.ENOSPC, FULL)),
        wrapped(OSError(errno.ENOSPC, FULL), shown=False),
    ],
    ids=str,
)
def test_a_full_disk_is_told_however_it_is_reported(error: Exception, home: Home) -> None:
    told = sentence_of(error, home)
    assert told is not None
    assert told.startswith("The disk is full: what had to be written did not fit on the file system /")
    assert "millpond compact" in told
    assert "MILLPOND_HOME" in told


def test_sqlite_calls_a_full_disk_an_error_of_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    assert sentence_of(error, home) is None
    monkeypatch.setattr(machine, "_ALMOST_NOTHING", 1 << 60)
    assert sentence_of(error, home) is not None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("40 % of the rows are empty"),
        OSError(errno.ENOENT, "No such file or directory", "/somewhere"),
        OSError(errno.EACCES, "Permission denied", "/exports/orders.csv"),
        duckdb.BinderException("column x not found"),
        sqlite3.OperationalError("database is locked"),
    ],
    ids=str,
)
def test_other_faults_stay_what_they_are(error: Exception, home: Home) -> None:
    assert sentence_of(error, home) is None
    with pytest.raises(type(error)), telling(home):
        raise error


def test_too_little_memory(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_MEMORY_LIMIT", "1MB")
    query = "SELECT count(DISTINCT md5(i::VARCHAR)) FROM range(1_000_000) AS r (i)"
    with (
        pytest.raises(MachineError, match="DuckDB may use 1MB") as caught,
        telling(home),
        store.connect(":memory:") as con,
    ):
        con.execute(query).fetchone()
    assert "MILLPOND_MEMORY_LIMIT" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    with pytest.raises(MachineError, match="lake is a file and no data home"):
        require_home(Home(tmp_path / "lake"))


def test_a_home_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_home(Home(tmp_path / "company" / "lake"))
    monkeypatch.setenv("MILLPOND_HOME", str(tmp_path / "disk" / "lake"))
    with pytest.raises(MachineError, match=r"does not exist\. Mount its disk if it is on one.* mkdir -p"):
        require_home(Home(tmp_path / "disk" / "lake"))
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_may_only_be_read(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", untested="a data home on a read-only file system") as disk:
        home = Home(disk.folder).create()
        require_home(home)
        disk.close()
        with pytest.raises(MachineError, match=r"disk cannot be written.*mount its file system for writing"):
            require_home(home)
        with pytest.raises(MachineError, match="cannot be written"), telling(home):
            (home.temp / "anything").write_text("x")
        with pytest.raises(MachineError, match="cannot be written"), telling(home), store.connect(home.build):
            pass


def test_a_home_without_the_right_to_write_all_of_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != home.versions)
    with pytest.raises(MachineError, match="versions cannot be written"):
        require_home(home)


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", untested="a full disk") as disk:
        home = Home(disk.folder).create()
        disk.leave_free(5_000_000)
        filling = "CREATE TABLE core.big AS SELECT md5(i::VARCHAR) AS x FROM range(1_000_000) AS r (i)"
        told = rf"did not fit on the file system {disk.folder}"
        with pytest.raises(MachineError, match=told), telling(home), store.open_build(home) as con:
            con.execute(filling)
        with store.open_build(home) as con:
            assert store.tables_in(con) == set()
