"""Connectors are found by their folders."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connectors import registry
from connectors.base import ConnectorError, Source


def test_finds_every_folder() -> None:
    assert "files" in registry.names()
    assert registry.get("files").title == "Files"
    assert {connector.name for connector in registry.all_connectors()} == set(registry.names())


def test_an_unknown_name_is_a_sentence() -> None:
    with pytest.raises(ConnectorError, match=r"there is no connector 'hubspott'; the connectors are .*files"):
        registry.get("hubspott")


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; from connectors import registry, load; registry.all_connectors();"
        "print([m for m in ('dlt', 'pyarrow', 'duckdb', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["raw", "Crm", "1a", "main"])
def test_a_source_name_must_do_as_a_database_name(name: str, tmp_path: object) -> None:
    with pytest.raises(ConnectorError, match="rename the table"):
        Source(name=name, connector="files", root=tmp_path)  # type: ignore[arg-type]
