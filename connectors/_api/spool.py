"""Pages on disk between being read and being loaded: each is safe once written, so a killed read goes on after it.

One folder per source, with one series of Arrow streams per resource. A stream that ends in the middle of a page, as a
kill leaves it, counts up to its last whole page. Nothing here knows what the pages are for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors._api.columns import Columns, Rejected

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How far a resource's read has come: what its last page said, and whether it is complete.

    `began` is the vendor's clock when the read began, the first time if it was cut off since. `rejected` are the
    records that could not be put into columns.
    """

    began: str | None = None
    position: Any = None
    state: Mapping[str, Any] | None = None
    done: bool = False
    rows: int = 0
    rejected: Sequence[Rejected] = ()


class Spool:
    """The pages of one load of one source.

    `plan` is kept with them: what the load was told when it began, which one that goes on must be told again. Its key
    `match` says whether another load is about the same.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder, self.plan = folder, plan

    @classmethod
    def open(cls, folder: Path, plan: Mapping[str, Any]) -> tuple[Spool, bool]:
        """Gives the spool that an earlier load left, if its plan matches, else an empty one.

        Returns:
            The spool, with the plan in force, and whether it goes on with an earlier load.
        """
        path = folder / "plan.json"
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            if before["match"] == plan["match"]:
                return cls(folder, before), True
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        partial = folder / "plan.partial"
        partial.write_text(json.dumps(plan), encoding="utf-8")
        partial.replace(path)
        return cls(folder, plan), False

    def mark(self, name: str) -> Mark:
        """Tells how far a series has come."""
        done = self._done_file(name)
        began, position, state, rows = None, None, None, 0
        rejected: list[Rejected] = []
        for batch, said in self._pages(name):
            began = began or said.get("began")
            rows += batch.num_rows
            position = said.get("position")
            state = said["state"] if said.get("state") is not None else state
            rejected += [Rejected(**one) for one in said.get("rejected", [])]
        if done.exists():
            state = json.loads(done.read_text(encoding="utf-8")).get("state", state)
        return Mark(began=began, position=position, state=state, done=done.exists(), rows=rows, rejected=rejected)

    def series(self, name: str) -> Series:
        """Opens a series for more pages; call `close` when done."""
        number = len(list(self.folder.glob(f"{name}.*.arrows")))
        return Series(self.folder / f"{name}.{number:04d}.arrows", self._done_file(name))

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """Gives the pages of a series."""
        for batch, _ in self._pages(name):
            yield batch

    def restart(self, name: str) -> None:
        """Forgets a series."""
        for path in (*self.folder.glob(f"{name}.*.arrows"), self._done_file(name)):
            path.unlink(missing_ok=True)

    def forget(self, prefix: str) -> None:
        """Forgets all series whose names begin like this."""
        for path in self.folder.glob(f"{prefix}*.arrows"):
            path.unlink()

    def remove(self) -> None:
        """Forgets everything; the load is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _done_file(self, name: str) -> Path:
        return self.folder / f"{name}.done.json"

    def _pages(self, name: str) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        for path in sorted(self.folder.glob(f"{name}.*.arrows")):
            yield from _whole_pages(path)


class Series:
    """Writes pages to one stream."""

    def __init__(self, path: Path, done_file: Path) -> None:
        self._path, self._done_file = path, done_file
        self._file: Any = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, columns: Columns, *, began: str, position: Any, state: Mapping[str, Any] | None) -> None:
        """Writes a page; it is safe from a kill when this returns."""
        if self._writer is None:
            self._file = self._path.open("wb")
            self._writer = pa.ipc.new_stream(self._file, columns.batch.schema, options=_OPTIONS)
        said = {
            "began": began,
            "position": position,
            "state": state,
            "rejected": [vars(one) for one in columns.rejected],
        }
        self._writer.write_batch(columns.batch, custom_metadata={b"said": json.dumps(said).encode()})
        self._file.flush()

    def finish(self, state: Mapping[str, Any]) -> None:
        """Notes that the series is complete."""
        self.close()
        partial = self._done_file.with_suffix(".partial")
        partial.write_text(json.dumps({"state": state}), encoding="utf-8")
        partial.replace(self._done_file)

    def close(self) -> None:
        """Ends the stream."""
        if self._writer is not None:
            self._writer.close()
            self._file.close()
            self._writer = None


def _whole_pages(path: Path) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
        except (pa.ArrowInvalid, EOFError, OSError):
            return
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            if batch is None:
                return
            yield batch, json.loads((metadata or {}).get(b"said", b"{}"))
