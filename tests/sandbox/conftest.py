"""One small demo company for all tests of this folder, which is never edited; what is served is a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import generate


@pytest.fixture(scope="session")
def scale() -> float:
    return 0.02


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, scale: float) -> Path:
    folder = tmp_path_factory.mktemp("sandbox") / "company"
    generate.write(folder, scale=scale)
    return folder
