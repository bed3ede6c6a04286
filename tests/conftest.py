"""What all tests share: where real data lies, and an environment without the developer's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.absent import skip_without

ROOT = Path(__file__).resolve().parents[1]

# `--hypothesis-profile=deep` hunts; what always runs takes the same examples each time.
settings.register_profile("small", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("deep", deadline=None, max_examples=2_000)
settings.load_profile("small")


def _real_data() -> Path:
    chosen = os.environ.get("MILLPOND_REAL_DATA")
    return Path(chosen) if chosen else ROOT.parent / "shared" / "real"


REAL_DATA = _real_data()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped, and listed with its reason, where there is none."""
    if not REAL_DATA.is_dir():
        skip_without(
            "real data",
            untested="what the public data sets hold",
            mend=f"Its licences forbid shipping it: {REAL_DATA} does not exist; set MILLPOND_REAL_DATA.",
        )
    return REAL_DATA


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what tests measured and said with record_property: fault outcomes, and what was validated."""
    for name, title in (("outcome", "faults by connector"), ("validated", "held against the vendors' descriptions")):
        said = [
            str(value)
            for report in terminalreporter.getreports("passed")
            for key, value in getattr(report, "user_properties", [])
            if key == name and report.when == "call"
        ]
        if said:
            terminalreporter.section(title)
            terminalreporter.write("".join(f"{line}\n" for line in sorted(said)))


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MILLPOND_COMPANY", "MILLPOND_HOME", "MILLPOND_REAL_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
