"""Locks: one writer per file, a sentence for the second, nothing stale after a kill."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.home import Home
from warehouse.locks import Busy, hold

HOLDER = """
import sys, time
from pathlib import Path
from warehouse.home import Home
from warehouse.locks import hold
with hold(Home(Path(sys.argv[1])), "build"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_process_gets_a_sentence_with_the_first_ones_id(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(Busy, match=f"in use by process {other.pid}"), hold(Home(tmp_path), "build", wait_seconds=0.2):
        pass


def test_killed_process_leaves_no_lock(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    with hold(Home(tmp_path), "build", wait_seconds=2):
        pass


def test_different_files_do_not_block_each_other(tmp_path: Path) -> None:
    with hold(Home(tmp_path), "build"), hold(Home(tmp_path), "raw_shop", wait_seconds=0):
        pass
