"""Servers started once per run, and a look at what a load asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.sql_database import servers
from tests.connectors.sql_database.servers import Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with servers.mariadb(has_tls=False) as server:
        yield server


@pytest.fixture
def mariadb_with_tls() -> Iterator[Server]:
    with servers.mariadb(has_tls=True) as server:
        yield server


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the condition of every read, and 'keys' for a read of a table's keys."""
    from connectors.sql_database import extract

    write, notes = extract._write, []

    def noted(night: Any, session: Any, reading: Any, columns: Any, file: Path, where: str | None = None) -> None:
        notes.append(where or ("keys" if file.name.endswith(".keys.parquet") else "all"))
        write(night, session, reading, columns, file, where)

    monkeypatch.setattr(extract, "_write", noted)
    return notes
