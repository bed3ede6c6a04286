"""Small file systems that tests may fill, close for writing and enlarge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.absent import skip_without


@dataclass(frozen=True)
class Disk:
    """A file system in memory, mounted at a folder."""

    folder: Path

    def leave_free(self, size: int) -> None:
        """Make it so small or large that so many bytes are free."""
        status = os.statvfs(self.folder)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        self._remount(f"size={(used + size) // 1024}k")

    def close(self) -> None:
        """Let nobody write to it any more."""
        self._remount("ro")

    def _remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


@contextmanager
def mounted(folder: Path, *, untested: str) -> Iterator[Disk]:
    """A large file system at a folder, while the block runs; skips the test where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        skip_without(
            "the right to mount",
            untested=untested,
            mend="Run the tests as root, where file systems may be mounted.",
        )
    try:
        yield Disk(folder)
    finally:
        # Lazily, for DuckDB may still have a file open.
        subprocess.run(["umount", "-l", str(folder)], check=True)
