"""The runner: any connector, killed at any moment, beside others."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pydantic import BaseModel

from connectors import registry
from connectors.base import Connector, ConnectorError, Extraction, RawFileHeldError, Source
from connectors.load import load

LOAD = """
import sys
from pathlib import Path
from connectors.base import Source
from connectors.load import load
root = Path(sys.argv[1])
load(Source(name="crm", connector="files", root=root, options={"path": "in"}), raw_dir=root / "raw")
"""
# Dies, as by kill -9, in the moment before dlt's nth statement; prints how many statements there were.
DYING = """
import os, signal
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
genuine, count = DuckDbSqlClient.execute_query, 0
def execute_query(self, *args, **kwargs):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return genuine(self, *args, **kwargs)
DuckDbSqlClient.execute_query = execute_query
"""
CODE = Path(__file__).parents[2]


def die(root: Path, nth: int) -> subprocess.CompletedProcess[bytes]:
    code = "import sys" + DYING + LOAD + "print(count)"
    return subprocess.run([sys.executable, "-c", code, str(root), str(nth)], cwd=CODE, stdout=-1, check=False)


def start(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", LOAD, str(root)], cwd=CODE)


def test_killed_anywhere_the_next_load_makes_it_whole(drop: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    def first() -> None:
        for n in range(3):
            drop.write(f"contacts_2026-01-0{n + 1}.csv", "id,name\n" + "".join(f"{i},n{i}\n" for i in range(500)))
            drop.write(f"orders_2026-01-0{n + 1}.csv", "no,at\n1,2\n1\n2,3\n3,4\n")

    def second() -> None:
        drop.write("contacts_2026-01-02.csv", "id,name\n" + "".join(f"{i},m{i}\n" for i in range(300)))
        drop.write("contacts_2026-01-04.csv", "id,mail\n7,x\n")
        drop.write("orders_2026-01-01.csv", "no,at\n")
        drop.write("orders_2026-01-02.csv", 'no,at\n1,"\n')

    first()
    drop.load()
    base = tmp_path_factory.mktemp("base") / "raw"
    shutil.copytree(drop.root / "raw", base)
    second()
    count = int(die(drop.root, 0).stdout)
    expected = drop.dump()
    assert [len(expected[name]) for name in ("contacts", "orders", "_file", "_drift")] == [1301, 6, 7, 1]
    for nth in (count // 2, count - 2, count):
        shutil.rmtree(drop.root / "raw")
        shutil.copytree(base, drop.root / "raw")
        assert die(drop.root, nth).returncode == -signal.SIGKILL
        drop.load()
        assert drop.dump() == expected


@pytest.mark.parametrize("after", ["dlt", "half"])
def test_stopped_between_dlt_and_the_bookkeeping(drop: Any, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    from connectors.files import ledger

    drop.write("contacts.csv", "id\n1\n2\n")
    drop.write("orders.csv", "id\n1\n")
    drop.load()
    drop.write("contacts.csv", "id\n1\n3\n")
    drop.write("contacts_2.csv", "id\n4\n")
    genuine = ledger.write

    def stop(*args: Any) -> None:
        if after == "half":
            genuine(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        drop.load()
    monkeypatch.undo()
    assert drop.sql("SELECT count(*) FROM raw._file") == [(2,)]
    drop.load()
    assert drop.sql("SELECT id, _file FROM raw.contacts ORDER BY ALL") == [
        ("1", "contacts.csv"), ("3", "contacts.csv"), ("4", "contacts_2.csv"),
    ]  # fmt: skip


@pytest.mark.parametrize("gone", ["crm.duckdb", ".dlt"])
def test_removed_files_do_not_confuse_it(drop: Any, gone: str) -> None:
    drop.write("contacts.csv", "id\n1\n")
    drop.load()
    expected = drop.dump()
    path = drop.root / "raw" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    drop.write("orders.csv", "id\n1\n")
    drop.load()
    assert drop.dump()["contacts"] == expected["contacts"]
    assert drop.sql("SELECT count(*) FROM raw.orders") == [(1,)]


def test_sources_load_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\n1\n")

    def one(name: str) -> dict[str, int]:
        source = Source(name=name, connector="files", root=tmp_path, options={"path": "in"})
        return load(source, raw_dir=tmp_path / "raw").tables

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, ["s1", "s2", "s3"])) == [{"a": 1}] * 3
    processes = [start(tmp_path), start(tmp_path)]
    assert [process.wait() for process in processes] == [0, 0]


def test_a_held_raw_file_is_a_sentence(drop: Any) -> None:
    drop.write("a.csv", "id\n1\n")
    drop.load()
    drop.write("a.csv", "id\n2\n")
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    path = str(drop.root / "raw" / "crm.duckdb")
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(RawFileHeldError, match=r"crm\.duckdb of source 'crm' is open in another program"):
            drop.load()
        holder.kill()
    assert drop.load().tables == {"a": 1}


def test_a_damaged_raw_file_is_a_sentence(drop: Any) -> None:
    drop.write("a.csv", "id\n1\n")
    (drop.root / "raw").mkdir()
    (drop.root / "raw" / "crm.duckdb").write_bytes(b"nothing like a database" * 1000)
    with pytest.raises(ConnectorError, match="cannot be opened"):
        drop.load()


class _NoOptions(BaseModel):
    pass


def _pages(batches: list[pa.Table]) -> Connector:
    """A connector of the kind that asks an API: incremental by a cursor, merged by a key."""

    def build(source: Source, workspace: Any) -> Extraction:
        def resources() -> list[Any]:
            import dlt

            since = dlt.sources.incremental("updated_at", initial_value=0)

            @dlt.resource(name="deal", primary_key="id", write_disposition="merge")
            def deal(cursor: Any = since) -> Any:
                asked.append(cursor.last_value)
                yield from batches

            return [deal]

        return Extraction(resources=resources)

    asked: list[int] = []
    connector = Connector(
        name="api", title="API", description="", options=_NoOptions, build=build, discover=lambda source: {},
        problems=lambda source: [],
    )  # fmt: skip
    object.__setattr__(connector, "asked", asked)
    return connector


def test_an_api_connector_plugs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "true")
    monkeypatch.setenv("LOAD__RAISE_ON_FAILED_JOBS", "nonsense")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("this is [not toml")
    batches = [pa.table({"id": [1, 2], "updated_at": [10, 20], "payload": ['{"a": 1.10}', "{}"]})]
    connector = _pages(batches)
    monkeypatch.setattr(registry, "get", lambda name: connector)
    source = Source(name="crm2", connector="api", root=tmp_path)
    seen: list[tuple[str, int, int | None]] = []
    first = load(source, raw_dir=tmp_path / "raw", progress=lambda *args: seen.append(args))
    assert (first.tables, first.changed) == ({"deal": 2}, True)
    assert ("deal", 2, None) in seen
    shutil.rmtree(tmp_path / "raw" / ".dlt")
    batches[:] = [pa.table({"id": [2, 3], "updated_at": [30, 40], "payload": ['{"b": 2}', "{}"]})]
    load(source, raw_dir=tmp_path / "raw")
    assert connector.asked == [0, 20]  # type: ignore[attr-defined]
    with duckdb.connect(str(tmp_path / "raw" / "crm2.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT id, payload FROM raw.deal ORDER BY id").fetchall()
    assert rows == [(1, '{"a": 1.10}'), (2, '{"b": 2}'), (3, "{}")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dlt", "raw"]


def test_a_failing_connector_keeps_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [pa.table({"id": [1], "updated_at": [10]})]
    connector = _pages(batches)
    monkeypatch.setattr(registry, "get", lambda name: connector)
    source = Source(name="crm2", connector="api", root=tmp_path)
    load(source, raw_dir=tmp_path / "raw")
    batches[:] = [pa.table({"id": [2], "updated_at": [20]}), "not a table"]
    with pytest.raises(ConnectorError, match="Source 'crm2': dlt failed in its step 'extract'"):
        load(source, raw_dir=tmp_path / "raw")
    batches[:] = []
    load(source, raw_dir=tmp_path / "raw")
    assert connector.asked[-1] == 10  # type: ignore[attr-defined]


def test_nothing_phones_home(drop: Any) -> None:
    drop.write("a.csv", "id\n1\n")
    code = LOAD + "from dlt.common.runtime import anon_tracker as t; print(t._ANON_TRACKER_ENDPOINT)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(drop.root)], cwd=CODE, capture_output=True, text=True, check=True,
        env={"HOME": str(drop.root / "home"), "RUNTIME__DLTHUB_TELEMETRY": "true"},
    )  # fmt: skip
    assert done.stdout.strip() == "None"
    assert not (drop.root / "home").exists()


def test_what_dlt_fails_with_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    def execute_query(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        raise duckdb.ConstraintException("first line\nsecond line")

    monkeypatch.setattr(DuckDbSqlClient, "execute_query", execute_query)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("a\n1\n")
    with pytest.raises(ConnectorError, match="dlt failed in its step") as caught:
        load(Source(name="crm", connector="files", root=tmp_path, options={"path": "in"}), raw_dir=tmp_path / "raw")
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
