"""Room: what files take, and compacting them without changing anything that can be seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from warehouse import changes, locks, store
from warehouse.home import Home
from warehouse.storage import DataFile, compact, data_files, disk_free, remove_leftovers, room_of, sizes, state_of

ROWS = 60_000

#: Whatever a database may hold, with one table of which most is deleted.
SCRIPT = f"""
CREATE SCHEMA raw;
CREATE SEQUENCE raw.number START 5;
CREATE TYPE raw.mood AS ENUM ('good', 'bad');
CREATE TABLE raw.person (
    id BIGINT PRIMARY KEY DEFAULT nextval('raw.number'), name VARCHAR NOT NULL UNIQUE, age INTEGER CHECK (age > 0),
    next_age INTEGER GENERATED ALWAYS AS (age + 1), mood raw.mood, balance DECIMAL(18, 4) DEFAULT 1.5
);
INSERT INTO raw.person (name, age, mood) VALUES ('Anna', 30, 'good'), ('Jan', 40, NULL);
CREATE TABLE raw.visit (
    person_id BIGINT, payload JSON, tags VARCHAR[], seen_at TIMESTAMPTZ, amounts MAP(VARCHAR, DOUBLE)
);
INSERT INTO raw.visit VALUES (5, '{{"a": 1}}', ['x', NULL], '2026-10-31 03:00:00+00', MAP {{'a': 'nan'::DOUBLE}});
CREATE INDEX by_person ON raw.visit (person_id);
CREATE TABLE raw."odd ""name" ("a.b" INTEGER);
CREATE VIEW raw.adult AS SELECT name FROM raw.person WHERE age >= 18;
CREATE MACRO raw.twice(x) AS 2 * x;
COMMENT ON TABLE raw.person IS 'People';
COMMENT ON COLUMN raw.person.name IS 'What they are called';
COMMENT ON VIEW raw.adult IS 'Grown-ups';
CREATE TABLE raw.event AS SELECT {ROWS} - i AS id, md5(i::VARCHAR) AS text FROM range({ROWS}) AS r (i);
CREATE TABLE raw.gone AS SELECT i AS id, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS text FROM range({ROWS}) AS r (i);
CHECKPOINT;
DROP TABLE raw.gone;
DELETE FROM raw.event WHERE id % 10 <> 0;
"""


@pytest.fixture(scope="module")
def wasteful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wasteful") / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(SCRIPT)
    return path


@pytest.fixture
def home(tmp_path: Path, wasteful: Path) -> Home:
    home = Home(tmp_path / "lake").create()
    shutil.copy2(wasteful, home.raw_file("shop"))
    return home


def only_file(home: Home) -> DataFile:
    (file,) = data_files(home)
    return file


def dump(path: Path, folder: Path) -> dict[str, str]:
    """All that a database says of itself in SQL and rows, in the order of the rows."""
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute(f"EXPORT DATABASE '{folder}' (FORMAT parquet)")
        found = {name: (folder / name).read_text() for name in ("schema.sql",)}
        for file in folder.glob("*.parquet"):
            found[file.stem] = repr(con.sql(f"FROM read_parquet('{file}')").fetchall())
        described = "SELECT table_name, column_name, column_default, comment FROM duckdb_columns() WHERE NOT internal"
        found["columns"] = repr(con.sql(f"{described} ORDER BY ALL").fetchall())
    return found


def test_a_compacted_file_holds_the_same_in_less_room(home: Home, tmp_path: Path) -> None:
    file = only_file(home)
    total, free = room_of(file)
    assert free > total / 3
    before, state, rights = dump(file.path, tmp_path / "before"), state_of(file.path), file.path.stat().st_mode
    done = compact(home, file)
    assert (done.before, done.after) == (total + 12_288, file.path.stat().st_size)
    assert done.after < done.before / 2
    assert room_of(file)[1] <= 262_144
    assert dump(file.path, tmp_path / "after") == before
    assert (state_of(file.path), file.path.stat().st_mode) == (state, rights)
    with duckdb.connect(str(file.path)) as con:
        assert con.execute("INSERT INTO raw.person (name, age) VALUES ('New', 1) RETURNING id").fetchall() == [(7,)]
        with pytest.raises(duckdb.ConstraintException):
            con.execute("INSERT INTO raw.person (name, age) VALUES ('Anna', 1)")
    assert state_of(file.path) != state


def test_a_file_that_would_not_shrink_stays(home: Home) -> None:
    file = only_file(home)
    compact(home, file)
    inode = file.path.stat().st_ino
    done = compact(home, file)
    assert done.before == done.after
    assert file.path.stat().st_ino == inode
    assert list(home.raw.iterdir()) == [file.path]


def test_who_reads_the_old_file_goes_on(home: Home) -> None:
    file = only_file(home)
    with duckdb.connect(str(file.path), read_only=True) as reader:
        compact(home, file)
        assert reader.execute("SELECT count(*) FROM raw.event").fetchone() == (ROWS // 10,)


def test_what_came_out_different_is_thrown_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    file = only_file(home)
    inode = file.path.stat().st_ino
    real = changes.version_of

    def other(con: duckdb.DuckDBPyConnection, table: str, *, catalog: str | None = None) -> str:
        return real(con, table, catalog=catalog) + ("!" if (table, catalog) == ("raw.event", "fresh") else "")

    monkeypatch.setattr("warehouse.storage.version_of", other)
    with pytest.raises(store.StoreError, match=r"was not compacted: table raw\.event came out different"):
        compact(home, file)
    assert file.path.stat().st_ino == inode
    assert list(home.raw.iterdir()) == [file.path]


def test_a_definition_that_got_lost_is_noticed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse import storage

    monkeypatch.setattr(storage, "_DEFINITIONS", "SELECT 'view' AS kind, $catalog AS name")
    with pytest.raises(store.StoreError, match="view fresh, view held came out different"):
        compact(home, only_file(home))


def test_no_room_for_the_new_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("warehouse.storage.shutil.disk_usage", lambda _: usage)
    with pytest.raises(store.StoreError, match=r"takes \d+ MB beside the old one, and 1 MB are free"):
        compact(home, only_file(home))


def test_a_file_with_a_log_is_left_alone(home: Home) -> None:
    log = home.raw / "shop.duckdb.wal"
    log.write_bytes(b"of a load that was killed")
    with pytest.raises(store.StoreError, match="was left open"):
        compact(home, only_file(home))
    assert log.exists()


def test_a_load_that_runs_keeps_its_file(home: Home) -> None:
    with locks.hold(home, "raw_shop"), pytest.raises(locks.Busy, match="raw_shop is in use"):
        compact(home, only_file(home), wait_seconds=0)


KILLED = """
import os, signal, sys
from pathlib import Path
from warehouse import storage
from warehouse.home import Home

def kill(*args):
    os.kill(os.getpid(), signal.SIGKILL)

storage.{name} = kill
home = Home(Path(sys.argv[1]))
storage.compact(home, storage.data_files(home)[0])
"""


@pytest.mark.parametrize("moment", ["_compare", "sync"])
def test_a_kill_leaves_the_old_file_and_the_next_night_tidies_up(home: Home, tmp_path: Path, moment: str) -> None:
    file = only_file(home)
    before, state = dump(file.path, tmp_path / "before"), state_of(file.path)
    done = subprocess.run([sys.executable, "-c", KILLED.format(name=moment), str(home.root)], check=False)
    assert done.returncode == -9
    assert file.fresh.exists()
    assert (dump(file.path, tmp_path / "after"), state_of(file.path)) == (before, state)
    (home.temp / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"spilled")
    with locks.hold(home, "raw_shop"):
        remove_leftovers(home)
        assert file.fresh.exists()
    remove_leftovers(home)
    assert list(home.raw.iterdir()) == [file.path]
    assert list(home.temp.iterdir()) == []


def test_a_write_is_seen_in_the_state(home: Home) -> None:
    file = only_file(home)
    before = state_of(file.path)
    time.sleep(0.01)
    with duckdb.connect(str(file.path)) as con:
        con.execute("INSERT INTO raw.person (name, age) VALUES ('New', 1)")
    assert state_of(file.path) != before


def test_sizes_by_part_count_every_file_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "lake").create()
    written = {
        "raw/shop.duckdb": "raw/shop", "raw/shop.duckdb.wal": "raw/shop", "raw/shop.duckdb.compact": "raw/shop",
        "raw/shop.load.json": "other", "raw/.pending/shop/part.parquet": "other",
        "build.duckdb": "build", "build.duckdb.wal": "build", "linkage.duckdb": "linkage",
        "versions/20261031T020000Z.duckdb": "versions", "versions/20261101T020000Z.partial": "versions",
        "decisions.duckdb": "decisions", "decisions/2026-10-31.duckdb": "decisions",
        "dagster/history/runs/index.db": "dagster", "tmp/duckdb_temp_storage_DEFAULT-0.tmp": "other",
        "secrets/shop.json": "other",
    }  # fmt: skip
    for number, name in enumerate(written):
        path = home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2**number)
    home.warehouse.hardlink_to(home.versions / "20261031T020000Z.duckdb")
    expected: Counter[str] = Counter()
    for number, part in enumerate(written.values()):
        expected[part] += 2**number
    assert sizes(home) == expected
    assert disk_free(home) == pytest.approx(disk_free(Home(tmp_path / "not" / "yet")), rel=0.01)
