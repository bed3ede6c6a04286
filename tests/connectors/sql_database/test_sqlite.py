"""SQLite files through the connector: values of any type in any column, nights, and loads that are killed."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.base import ConnectorError
from connectors.sql_database import CONNECTOR
from tests.connectors.sql_database.servers import Shop, found


class File(Shop):
    """A shop whose database is the file shop.db in the company folder."""

    def change(self, script: str) -> str:
        with sqlite3.connect(self.root / "shop.db") as connection:
            connection.executescript(script)
        connection.close()
        return ""


@pytest.fixture
def shop(tmp_path: Path) -> File:
    return File(tmp_path, {"url": "sqlite:///shop.db"})


def test_loads_and_a_second_load_writes_nothing(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price DECIMAL(10,2), at DATETIME, picture BLOB, flag "
        "BOOLEAN);"
        "INSERT INTO item VALUES (1, 'a', 10, '2024-01-01 10:00', x'00ff', 1), (2, 'b', 10.5, NULL, NULL, 0);"
        "CREATE TABLE empty (a INT, b, c BLOB, d REAL, e DATE); CREATE VIEW seen AS SELECT * FROM item"
    )
    assert shop.load().tables == {"empty": 0, "item": 2}
    assert shop.types("item") | shop.types("empty") == {
        "id": "BIGINT", "name": "VARCHAR", "price": "DOUBLE", "at": "VARCHAR", "picture": "BLOB", "flag": "BIGINT",
        "a": "BIGINT", "b": "VARCHAR", "c": "BLOB", "d": "DOUBLE", "e": "VARCHAR", "_is_deleted": "BOOLEAN",
        "_deleted_at": "TIMESTAMP WITH TIME ZONE", "_loaded_at": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    assert shop.sql("SELECT id, name, price, \"at\", picture, flag FROM raw.item ORDER BY id") == [
        (1, "a", 10.0, "2024-01-01 10:00", b"\x00\xff", 1), (2, "b", 10.5, None, None, 0),
    ]  # fmt: skip
    before = shop.state()
    report = shop.load()
    assert (report.changed, report.findings, shop.state()) == (False, [], before)


def test_a_column_of_mixed_types_lands_as_text_and_is_told_once(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, size); INSERT INTO item (size) VALUES (1), (0.1), ('large'), "
        "(x'00ff'), "
        "(NULL), (9007199254740993), (3e300), (0.30000000000000004), ('7')"
    )
    report = shop.load()
    assert found(report, "column_type") == [
        "item.size holds 2 integer, 3 real, 2 text, 1 blob values, and lands as text."
    ]
    assert [row[0] for row in shop.sql("SELECT size FROM raw.item ORDER BY id")] == [
        "1", "0.1", "large", "0x00FF", None, "9007199254740993", "3.0e+300", "0.30000000000000004", "7",
    ]  # fmt: skip
    again = shop.load()
    assert (again.changed, again.findings) == (False, [])


def test_text_that_comes_into_a_column_of_numbers_lands_beside(shop: File) -> None:
    shop.change("CREATE TABLE item (id INTEGER PRIMARY KEY, size); INSERT INTO item VALUES (1, 5), (2, NULL)")
    shop.load()
    shop.change("INSERT INTO item VALUES (3, '007'), (4, 8), (5, 1.5)")
    report = shop.load()
    assert shop.types("item")["size"] == "BIGINT"
    assert shop.sql("SELECT id, size, size_text FROM raw.item ORDER BY id") == [
        (1, 5, None), (2, None, None), (3, None, "007"), (4, 8, None), (5, None, "1.5"),
    ]  # fmt: skip
    assert [one.kind for one in report.findings] == ["note", "column_type", "column_type"]
    assert shop.load().changed is False


def test_large_integers_are_not_rounded(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, n); INSERT INTO item VALUES (1, 9223372036854775807), (2, 0.5), "
        "(3, -9223372036854775808)"
    )
    shop.load()
    assert shop.sql("SELECT n FROM raw.item ORDER BY id") == [
        ("9223372036854775807",),
        ("0.5",),
        ("-9223372036854775808",),
    ]


def test_late_values_of_another_type_are_seen(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, note); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n WHERE i < 60000) "
        "INSERT INTO item SELECT i, CASE WHEN i > 59999 THEN 'late' END FROM n"
    )
    assert shop.load().tables == {"item": 60000}
    assert shop.sql("SELECT note, count(*) FROM raw.item GROUP BY note ORDER BY note") == [("late", 1), (None, 59999)]


def test_text_that_is_no_text_lands_with_its_bytes_named(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, CAST(x'636166e9' AS "
        "TEXT)), (2, 'café')"
    )
    shop.load()
    assert shop.sql("SELECT name FROM raw.item ORDER BY id") == [("caf\\xe9",), ("café",)]


def test_keys_without_values_are_no_keys(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (code TEXT PRIMARY KEY, n INT); INSERT INTO item VALUES (NULL, 1), (NULL, 2), ('a', 3)"
    )
    report = shop.load()
    assert found(report, "note") == [
        "item: 2 rows have no value in the key (code) that fits its type, so it is compared as a whole, like a table "
        "without a key."
    ]
    assert shop.load().changed is False
    shop.change("UPDATE item SET n = 9 WHERE n = 2")
    shop.load()
    assert shop.sql("SELECT code, n FROM raw.item ORDER BY n") == [(None, 1), ("a", 3), (None, 9)]


def test_a_key_that_a_person_named_has_to_be_one(shop: File) -> None:
    shop.change("CREATE TABLE item (a INT, b INT); INSERT INTO item VALUES (1, 1), (1, 2), (2, 1)")
    shop.options["tables"] = {"item": {"key": "a"}}
    with pytest.raises(
        ConnectorError,
        match=r"table item: 1 rows share their key \(a\) with another; name .* sources.shop.tables.item.key",
    ):
        shop.load()
    shop.options["tables"] = {"item": {"key": ["a", "b"]}}
    assert shop.load().tables == {"item": 3}


def test_cursors_are_times_written_as_text(shop: File, asked: list[str]) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, changed TEXT);"
        "INSERT INTO item VALUES (1, '2024-01-01T10:00:00Z'), (2, '2024-01-02 10:00'), (3, 'never'), (4, NULL)"
    )
    shop.options["tables"] = {"item": {"cursor": "changed", "lookback": "2 hours"}}
    shop.load()
    asked.clear()
    assert shop.load().changed is False
    assert asked[0] == 'datetime("changed") >= \'2024-01-02 08:00:00\' OR datetime("changed") IS NULL'
    shop.change(
        "UPDATE item SET changed = '2024-01-02 09:00' WHERE id = 1; UPDATE item SET changed = 'once' WHERE id = 3; "
        "DELETE FROM item WHERE id = 2"
    )
    assert shop.load().tables == {"item": 3}
    assert shop.sql("SELECT id, changed, _is_deleted FROM raw.item ORDER BY id") == [
        (1, "2024-01-02 09:00", False), (2, "2024-01-02 10:00", True), (3, "once", False), (4, None, False),
    ]  # fmt: skip


def test_a_transaction_that_writes_meanwhile_is_not_seen(shop: File, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import extract

    shop.change(
        "PRAGMA journal_mode = WAL; CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)"
    )
    stage = extract._stage

    def change_between(*given: object) -> None:
        stage(*given)  # type: ignore[arg-type]
        shop.change("INSERT INTO b (id) SELECT coalesce(max(id), 0) + 1 FROM b")

    monkeypatch.setattr(extract, "_stage", change_between)
    assert shop.load().tables == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file; correct url"),
        (b"no database at all" * 99, "SQLite failed: file is not a database"),
    ],
)
def test_what_is_no_database_is_told(shop: File, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (shop.root / "shop.db").write_bytes(content)
    (told,) = CONNECTOR.connect(shop.source)  # type: ignore[misc]
    assert sentence in told
    with pytest.raises(ConnectorError, match=sentence):
        shop.load()


def test_the_file_is_not_written_to(shop: File) -> None:
    shop.change("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    before = (shop.root / "shop.db").stat().st_mtime_ns
    shop.load()
    assert (shop.root / "shop.db").stat().st_mtime_ns == before
    assert sorted(one.name for one in shop.root.iterdir()) == ["raw", "shop.db"]


def test_memory_does_not_grow_with_the_rows(shop: File) -> None:
    """A table of some 120 MB is read, compared and left alone within less than that."""
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, note TEXT, more TEXT); "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) "
        "INSERT INTO item SELECT i, hex(randomblob(200)), hex(randomblob(200)) FROM n"
    )
    script = (
        "import resource, sys; from pathlib import Path; import connectors.sql_database.extract, pyarrow.parquet\n"
        "from connectors.base import Source; from connectors.sql_database import extract, database, options\n"
        "root = Path(sys.argv[1]); source = Source(name='shop', connector='sql_database', root=root, "
        "options={'url': 'sqlite:///shop.db'})\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "with database.open_session(options.address(source, options.parse(source)), None) as session:\n"
        "    table = session.describe('item'); before = used()\n"
        "    rows = sum(batch.num_rows for batch in session.rows(table, table.columns)); print(rows, used() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(shop.root)], capture_output=True, text=True, check=True)
    rows, grown = map(int, done.stdout.split())
    assert rows == 150_000
    assert grown < 100


def test_loads_killed_at_any_moment_are_healed_by_the_next(shop: File) -> None:
    shop.change(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, n INT); CREATE TABLE loose (n INT); "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80000) INSERT INTO item SELECT i, "
        "i FROM n;"
        "INSERT INTO loose SELECT n FROM item"
    )
    script = (
        "import sys; from pathlib import Path; from connectors.base import Source; from connectors.load import load\n"
        "import connectors.sql_database.extract, dlt; print('ready', flush=True)\n"
        "root = Path(sys.argv[1]); load(Source(name='shop', connector='sql_database', root=root, "
        "options={'url': 'sqlite:///shop.db'}), raw_dir=root / 'raw'); print('done', flush=True)"
    )

    def changed_and_loaded(kill_after: float | None) -> tuple[bool, float]:
        shop.change(
            "UPDATE item SET n = n + 1 WHERE id % 2; DELETE FROM item WHERE id IN (SELECT max(id) FROM item); "
            "UPDATE loose SET n = n + 1"
        )
        process = subprocess.Popen([sys.executable, "-c", script, str(shop.root)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(process.pid, signal.SIGKILL)
        done = process.stdout.readline() == "done\n"
        process.wait()
        return done, time.monotonic() - started

    # The first load has more to do; a load that outran its death says how fast loads really are.
    whole = min(changed_and_loaded(None)[1] for _ in range(2))
    for share in (0.25, 0.4, 0.55, 0.7, 0.85, 0.95):
        for _ in range(6):
            done, took = changed_and_loaded(whole * share)
            if not done:
                break
            whole = min(whole, took)
        else:
            pytest.fail("no load was slow enough to be killed")
        if share > 0.8:
            shop.load()
            with sqlite3.connect(shop.root / "shop.db") as theirs:
                rows = theirs.execute("SELECT id, n FROM item ORDER BY id").fetchall()
                loose = theirs.execute("SELECT n FROM loose ORDER BY n").fetchall()
            theirs.close()
            assert shop.sql("SELECT id, n FROM raw.item WHERE NOT _is_deleted ORDER BY id") == rows
            assert shop.sql("SELECT n FROM raw.loose ORDER BY n") == loose


def test_times_of_loading_and_deleting(shop: File) -> None:
    shop.change("CREATE TABLE item (id INTEGER PRIMARY KEY); INSERT INTO item VALUES (1), (2)")
    shop.load()
    shop.change("DELETE FROM item WHERE id = 2")
    before = dt.datetime.now(dt.UTC)
    shop.load()
    ((loaded, deleted),) = shop.sql("SELECT _loaded_at, _deleted_at FROM raw.item WHERE _is_deleted")
    assert before <= deleted == loaded
