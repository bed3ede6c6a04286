"""The demo company that a module's tests serve: a copy, since answers leave tokens, jobs and notes in its stores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def company(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "company"
    shutil.copytree(company, folder)
    return folder
