"""Where things lie in the data home. Paths only; nothing here opens a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The data home of one company (`lake/`)."""

    root: Path

    @property
    def raw(self) -> Path:
        """One DuckDB file per source, and the loader's own state."""
        return self.root / "raw"

    def raw_file(self, source: str) -> Path:
        """What the source said."""
        return self.raw / f"{source}.duckdb"

    @property
    def secrets(self) -> Path:
        """Tokens that source systems rotate; only their owner may read them."""
        return self.root / "secrets"

    @property
    def build(self) -> Path:
        """Private to the pipeline: clean to insight."""
        return self.root / "build.duckdb"

    @property
    def warehouse(self) -> Path:
        """The analysts' snapshot."""
        return self.root / "warehouse.duckdb"

    @property
    def versions(self) -> Path:
        """Published versions, newest last by name."""
        return self.root / "versions"

    @property
    def linkage(self) -> Path:
        """What linking people goes on from the next night; rebuilt where it is missing."""
        return self.root / "linkage.duckdb"

    @property
    def cleaning(self) -> Path:
        """What cleaning goes on from the next night; rebuilt where it is missing."""
        return self.root / "cleaning.duckdb"

    @property
    def decisions(self) -> Path:
        """What people decided; never rebuilt."""
        return self.root / "decisions.duckdb"

    @property
    def decision_copies(self) -> Path:
        """Copies of what people decided, one per day on which somebody decided."""
        return self.root / "decisions"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.root / "dagster"

    @property
    def locks(self) -> Path:
        """Lock files, one per data file."""
        return self.root / "locks"

    @property
    def backup_note(self) -> Path:
        """When the last backup was made, and where it is."""
        return self.root / "backup.json"

    @property
    def restoring(self) -> Path:
        """What a restore is about to put in place."""
        return self.root / ".restore"

    @property
    def unfinished_restore(self) -> Path:
        """Says what a restore moves where; while it is there, the data home is neither the old nor the new one."""
        return self.restoring / "journal.json"

    @property
    def temp(self) -> Path:
        """DuckDB spills here; may be emptied whenever nothing runs."""
        return self.root / "tmp"

    def create(self) -> Home:
        """Make the folders that must exist before anything is written."""
        for folder in (self.raw, self.versions, self.dagster, self.locks, self.temp):
            folder.mkdir(parents=True, exist_ok=True)
        return self
