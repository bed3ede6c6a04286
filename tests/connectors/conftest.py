"""A company folder with one drop folder, to write exports into and load them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.base import Finding, LoadReport, Source
from connectors.load import load


@dataclass
class Drop:
    """Writes files, loads them, and looks at what landed."""

    root: Path
    options: dict[str, Any] = field(default_factory=lambda: {"path": "in"})
    clock: int = 1_700_000_000

    @property
    def source(self) -> Source:
        return Source(name="crm", connector="files", root=self.root, options=self.options)

    def write(self, name: str, content: bytes | str) -> Path:
        """Writes a file long settled; each write is a minute later than the one before."""
        path = self.root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.clock += 60
        os.utime(path, (self.clock, self.clock))
        return path

    def load(self) -> LoadReport:
        return load(self.source, raw_dir=self.root / "raw", wait_seconds=1)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.root / "raw" / "crm.duckdb"), read_only=True) as connection:
            return connection.execute(statement).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the raw file that does not tell when it was loaded."""
        tables = self.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_name NOT LIKE '\\_dlt%' ESCAPE '\\'"
        )
        return {
            table: self.sql(
                f"SELECT COLUMNS(c -> c NOT IN ('_loaded_at', 'loaded_at', 'seen_at', 'first_seen_at')) "
                f"FROM raw.{table} ORDER BY ALL"
            )
            for (table,) in sorted(tables)
        }


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    (tmp_path / "in").mkdir()
    return Drop(tmp_path)


@pytest.fixture
def kinds() -> Any:
    """Gives the kinds of a report's findings."""
    return lambda report: [finding.kind for finding in report.findings]


@pytest.fixture
def the() -> Any:
    """Gives the one finding of a kind."""

    def one(report: LoadReport, kind: str) -> Finding:
        (finding,) = (finding for finding in report.findings if finding.kind == kind)
        return finding

    return one
