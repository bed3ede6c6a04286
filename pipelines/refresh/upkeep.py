"""What a night does for the disk: it measures the data home, judges the room that is left, and compacts files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext

import duckdb

from pipelines.night import Night
from quality import storage as judgement
from quality.results import save_results
from warehouse import locks, machine, meta, storage, store
from warehouse.company import Company
from warehouse.home import Home

log = logging.getLogger(__name__)

#: Files are looked through for waste every so many nights: writing one anew reads it three times.
COMPACTED_EVERY = 7


def require_room(company: Company) -> None:
    """Make sure that the disk is not obviously too small for a night, before it touches anything.

    Raises:
        MachineError: it is.
    """
    home = company.home
    build = home.build.stat().st_size if home.build.exists() else 0
    if refused := judgement.refusal(build, storage.disk_free(home), company.config.keep_versions):
        raise machine.MachineError(refused)


def measure(con: duckdb.DuckDBPyConnection, night: Night) -> judgement.Outlook:
    """Write what the data home takes into meta.storage, and what is to be thought of it among the checks."""
    home = night.company.home
    free, disk_free = _free_bytes(con, home), storage.disk_free(home)
    number = _night_number(con, night)
    con.execute("DELETE FROM meta.storage WHERE run_id = ?", [night.run_id])
    sizes = storage.sizes(home)
    rows = [(night.run_id, part, number, night.now, size, free.get(part), disk_free) for part, size in sizes.items()]
    meta.insert_rows(con, "storage", rows)
    outlook = judgement.look_ahead(history(con), night.company.config.keep_versions)
    save_results(con, night.run_id, [judgement.judge(outlook)], night.now)
    return outlook


def history(con: duckdb.DuckDBPyConnection) -> list[judgement.Measured]:
    """The last nights that were measured, oldest first."""
    rows = con.execute(
        "SELECT map_from_entries(list((part, size_bytes))), any_value(disk_free_bytes) FROM meta.storage "
        "WHERE night > (SELECT max(night) FROM meta.storage) - ? GROUP BY night ORDER BY night",
        [judgement.NIGHTS],
    ).fetchall()
    return [judgement.Measured(parts, disk_free) for parts, disk_free in rows]


def wasteful(con: duckdb.DuckDBPyConnection, night: Night) -> list[storage.DataFile]:
    """Every seventh night, the files that mostly hold nothing."""
    company = night.company
    rows = con.execute(
        "SELECT part, size_bytes, free_bytes FROM meta.storage "
        "WHERE run_id = ? AND night % ? = 0 AND free_bytes IS NOT NULL",
        [night.run_id, COMPACTED_EVERY],
    ).fetchall()
    copies = {"build": 1 + company.config.keep_versions}
    worth = {part for part, size, free in rows if judgement.is_wasteful(size, free, copies.get(part, 1))}
    return [file for file in storage.data_files(company.home) if file.part in worth]


def compact(home: Home, files: Sequence[storage.DataFile]) -> list[storage.Compacted]:
    """Write files anew, once the night is through with them; one that is in use or has no room waits for its turn."""
    done = []
    for file in files:
        try:
            done.append(storage.compact(home, file, wait_seconds=0))
        except (locks.Busy, store.StoreError) as error:
            log.warning("%s", error)
    return done


def _night_number(con: duckdb.DuckDBPyConnection, night: Night) -> int:
    """One more than the nights before; the same again for a run that is repeated."""
    row = con.execute(
        "SELECT coalesce(max(night) FILTER (WHERE run_id = ?), max(night) + 1, 1) FROM meta.storage", [night.run_id]
    ).fetchone()
    return int(row[0]) if row else 1


def _free_bytes(con: duckdb.DuckDBPyConnection, home: Home) -> dict[str, int]:
    """Bytes in free blocks by part; a file that is in use or damaged is left out."""
    found = {"build": storage.room_in(con)[1]}
    for file in storage.data_files(home):
        if file.part == "build":
            continue
        # The night holds the lock of the build already.
        held = nullcontext() if file.lock == "build" else locks.hold(home, file.lock, wait_seconds=0)
        try:
            with held, store.attached(con, file.path, "measured"):
                found[file.part] = storage.room_in(con, "measured")[1]
        except (locks.Busy, store.StoreError):
            continue
    return found
