"""After a restore the nights go on as if nothing had happened; and what the two commands say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.checkup import mapping_files
from pipelines.loading import LoadFailed, load_source
from pipelines.night import begin, building
from pipelines.refresh import clean, insight, model, prepare, release
from quality import volume
from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Record
from tests.connectors.rest.shop import MINUTE, START, VENDOR
from tests.pipelines.conftest import TOML, Tiny, write_company
from tests.pipelines.test_cli import millpond, on, sentences
from tests.pipelines.test_kill import differences
from transforms.identity import memory
from warehouse import decisions, locks, restore
from warehouse.company import home_of, load_company
from warehouse.contracts import entities

APP = """
[sources.app]
connector = "rest"
base_url = "${APP_URL}/shop"
auth = { kind = "bearer", token = "${APP_TOKEN}" }
rate = { requests = 1000 }
attempts = 1

[sources.app.endpoints.people]
path = "/items/paged"
records = "data.items"
modified = "updated"
size = 5
size_param = "per_page"
since.param = "since"
paging = { kind = "cursor", next = "meta.next", param = "cursor" }
count = "meta.total"
"""
PEOPLE = """
SELECT id AS source_id, payload->>'name' AS full_name, payload->>'mail' AS email, payload->>'city' AS city
FROM raw.people
"""
DECIDED = ("contact:app:3", "contact:crm:2")


def person(number: int, *, city: str = "Bonn", minute: int | None = None) -> Record:
    at = START + (number if minute is None else minute) * MINUTE
    changed = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    body = {"id": number, "name": f"Person {number}", "mail": f"p{number}@example.com", "city": city}
    return Record(id=str(number), body={**body, "updated": changed}, created=at, updated=at)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The interface's server."""
    sandbox = Sandbox(tmp_path, vendors={"shop": VENDOR}, ease=10_000, record=True)
    with serving(sandbox) as running:
        monkeypatch.setenv("APP_URL", running.url)
        monkeypatch.setenv("APP_TOKEN", "good")
        yield running


@pytest.fixture
def served(running: Running, tmp_path: Path) -> Tiny:
    """The tiny company, which reads the interface too."""
    root = write_company(tmp_path / "tiny")
    (root / "millpond.toml").write_text(TOML + APP)
    (root / "mappings/app").mkdir()
    (root / "mappings/app/contact.sql").write_text(PEOPLE)
    running.sandbox.stores["shop"].put("item", [person(n) for n in range(1, 8)])
    return Tiny(load_company(root))


def bare_night(tiny: Tiny, run_id: str) -> None:
    """A night without Dagster and checks, which take most of its time."""
    company = tiny.company
    for name in company.config.sources:
        load_source(company, name, run_id)
    night = begin(company, run_id)
    with building(company) as con:
        prepare.start(con, night)
        clean.clean_entities(con, night, list(entities().values()), mapping_files(company))
        model.build_tables(con, night, model.order_of(company))
        insight.detect_anomalies(con, night)
        volume.record_counts(con, model.order_of(company), run_id, night.now)
        assert release.release(con, night).published


def test_a_night_after_a_restore_is_the_night_that_would_have_been(
    served: Tiny, running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup is made after a load was cut off; then records come that sort before others of the same people."""
    # Few records are linked anew each night else, many not.
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "MOST_CHANGED", 100)
    bare_night(served, "first")
    decisions.decide(served.company.home, *DECIDED, "same", by="ada", at=datetime(2026, 10, 31, tzinfo=UTC))
    later = [person(2, city="Ulm", minute=100), *(person(n, minute=100 + n) for n in range(8, 30))]
    running.sandbox.stores["shop"].put("item", later)
    running.plan("shop", "server_error", after=2, times=100)
    with pytest.raises(LoadFailed):
        load_source(served.company, "app", "cut off")
    running.sandbox.faults["shop"].clear()
    assert "Last backup: none; `millpond backup` makes one." in on(served, "status").stdout
    made = on(served, "backup", str(tmp_path / "safe"), "--keep", "3")
    (archive,) = (tmp_path / "safe").iterdir()
    assert f"{archive}: " in made.stdout
    assert "read back and found whole" in made.stdout
    assert f"0 h ago: {archive}" in on(served, "status").stdout

    root = tmp_path / "other"
    assert f"{root} is as it was on 20" in millpond("--company", root, "restore", archive).stdout
    other = Tiny(load_company(root))
    assert other.ask("SELECT count(*) FROM core.customer") == served.ask("SELECT count(*) FROM core.customer")
    shutil.copytree(served.root / "exports", root / "exports")

    served, other = after_a_day(served), after_a_day(other)
    asked = []
    for one in (served, other):
        running.sandbox.exchanges.clear()
        bare_night(one, "second")
        asked.append([f"{e.path}?{e.query}" for e in running.sandbox.exchanges])
    assert asked[0] == asked[1]
    assert "cursor=10" in asked[0][0]
    assert differences(served, other) == {}
    rows = "SELECT id, is_deleted, payload::VARCHAR FROM raw.people ORDER BY id"
    assert in_raw(served, rows) == in_raw(other, rows)
    for sql in (
        "SELECT customer_id, record_id FROM identity.assignment ORDER BY ALL",
        "SELECT * EXCLUDE (recorded_at) FROM core.customer_history ORDER BY ALL",
        "SELECT * EXCLUDE (counted_at) FROM meta.table_count ORDER BY ALL",
    ):
        assert served.ask(sql) == other.ask(sql)
    assert other.ask("SELECT changed_records FROM identity.linkage ORDER BY happened_at DESC LIMIT 1") != [(None,)]
    assert ("Bonn",) in other.ask("SELECT city FROM core.customer_history WHERE NOT is_current")
    assert decisions.read(other.company.home) == decisions.read(served.company.home)
    together = "SELECT count(DISTINCT customer_id) FROM identity.assignment WHERE record_id IN ({}, {})"
    assert other.ask(together.format(*map(repr, DECIDED))) == [(1,)]


def after_a_day(tiny: Tiny) -> Tiny:
    """The company on the next day, with new exports."""
    config = tiny.root / "millpond.toml"
    config.write_text(config.read_text().replace("2026-10-31", "2026-11-01"))
    people = [
        "0,Anna Berg,anna@example.com,030 23125 001",
        "1,Anna Berg-Ott,Anna@Example.com,",
        "2,Jan,jan@example.org,",
    ]
    tiny.export("crm/contacts.csv").write_text("\n".join(["id,name,mail,phone", *people]))
    return Tiny(load_company(tiny.root))


def in_raw(tiny: Tiny, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(tiny.company.home.raw_file("app")), read_only=True) as con:
        return con.execute(sql).fetchall()


# The commands


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A company with a secret, and a lake in which nothing is but a decision."""
    root = write_company(tmp_path / "tiny")
    config = root / "millpond.toml"
    config.write_text(config.read_text().replace('"exports/crm"', '"${CRM_FOLDER}/crm"'))
    (root / ".env").write_text("CRM_FOLDER=exports\n")
    decide(root)
    return root


def decide(root: Path) -> None:
    decisions.decide(home_of(root), *DECIDED, "same", by="ada", at=datetime(2026, 10, 31, tzinfo=UTC))


def archive_of(company: Path) -> Path:
    (archive,) = (company / "backups").glob("*.tar")
    return archive


def test_backup_and_restore_say_what_has_to_be_given_again(company: Path, tmp_path: Path) -> None:
    made = millpond("--company", company, "backup")
    assert "Not in it, and to be given again after a restore: .env, ${CRM_FOLDER}." in made.stdout
    result = millpond("--company", tmp_path / "new", "restore", archive_of(company))
    assert "Not in the backup, and to be given again: .env, ${CRM_FOLDER}." in result.stdout
    shutil.rmtree(company / "backups")
    assert "given again" not in millpond("--company", company, "backup", "--with-secrets").stdout
    result = millpond("--company", tmp_path / "newer", "restore", archive_of(company))
    assert "given again" not in result.stdout
    assert f"Next: millpond --company {tmp_path / 'newer'} run" in result.stdout


def test_check_says_what_is_inside_and_touches_nothing(company: Path, tmp_path: Path) -> None:
    assert millpond("--company", company, "backup").exit_code == 0
    archive = archive_of(company)
    result = millpond("--company", tmp_path / "new", "restore", archive, "--check")
    assert result.exit_code == 0
    for part in ("company/millpond.toml", "lake/decisions.duckdb", "is whole: Tiny on 20", "Not in it: .env."):
        assert part in result.stdout
    data = bytearray(archive.read_bytes())
    data[5000] ^= 1
    archive.write_bytes(data)
    (said,) = sentences(millpond("--company", tmp_path / "new", "restore", archive, "--check"))
    assert said.startswith(f"{archive} is no whole backup: ")
    assert not (tmp_path / "new").exists()


def test_restore_asks_where_to_and_before_it_replaces(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert millpond("--company", company, "backup").exit_code == 0
    monkeypatch.chdir(tmp_path)
    (said,) = sentences(millpond("restore", archive_of(company)))
    assert "millpond --company acme restore FILE" in said
    (said,) = sentences(millpond("--company", company, "restore", archive_of(company)))
    assert said.startswith(f"The backup of Tiny would replace {company / 'lake'}; give --replace")
    result = millpond("--company", company, "restore", archive_of(company), "--replace")
    assert f"What was there before is in {company / 'lake' / 'replaced-'}" in result.stdout


def test_nothing_runs_until_a_restore_that_was_cut_off_is_finished(
    company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert millpond("--company", company, "backup").exit_code == 0
    decide(company)
    words = ("--company", company, "restore", archive_of(company), "--replace")

    def fail(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(restore, "_do", fail)
        (said,) = sentences(millpond(*words))
    assert said == "The restore is not finished; mend this and run it again: Operation not permitted."
    for command in ("run", "backup"):
        (said,) = sentences(millpond("--company", company, command))
        assert "run `millpond restore` again to finish it" in said
    with pytest.raises(locks.RestoreCutOff):
        load_source(load_company(company), "crm", "run")
    assert not (company / "lake/raw/crm.load.json").exists()
    assert "is as it was" in millpond(*words).stdout
    assert len(decisions.read(home_of(company))) == 1
    assert millpond("--company", company, "backup").exit_code in (0, 1)
