"""The `millpond` command as people use it: what it prints, what it leaves, its exit status, and its sentences."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from pipelines.cli import load_commands
from pipelines.night import DISPLAY
from tests.pipelines.conftest import Tiny, write_company
from warehouse import locks
from warehouse.company import load_company

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.cli import app

    for console in (app.out, app.err):
        monkeypatch.setattr(console, "_width", 250)


def millpond(*words: str | Path, stdin: str | None = None) -> Result:
    """Run a command; errors other than its own exit are the test's."""
    return CliRunner().invoke(load_commands(), [str(w) for w in words], input=stdin, catch_exceptions=False)


def on(tiny: Tiny, *words: str, stdin: str | None = None) -> Result:
    return millpond("--company", tiny.root, *words, stdin=stdin)


def sentences(result: Result) -> list[str]:
    """What a failed command said, one entry per sentence."""
    assert result.exit_code == 1
    return [s.strip() for s in result.stderr.split("✗ ")[1:]]


# The commands themselves


def command_names() -> list[str]:
    group = get_command(load_commands())
    return group.list_commands(typer.Context(group))  # type: ignore[attr-defined]


def test_commands_are_these() -> None:
    wanted = {"init", "check", "run", "ui", "query", "status", "sources", "quarantine", "versions", "rollback"}
    assert wanted <= set(command_names())


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = millpond(name, "--help")
    assert result.exit_code == 0
    assert re.search(rf"Example: millpond .*\b{name}\b", result.stdout)


def test_help_imports_nothing_heavy() -> None:
    heavy = ("dagster", "dlt", "great_expectations", "polars", "scipy", "pandas", "sqlglot")
    script = (
        "import sys\n"
        "from pipelines.cli import main\n"
        "sys.argv = ['millpond', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('HEAVY', *[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "HEAVY" in done.stdout.splitlines()


def test_outside_a_company_it_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("check", "run", "status", "sources", "versions", "quarantine"):
        (said,) = sentences(millpond(name))
        assert "millpond.toml" in said
        assert "millpond init" in said


def test_company_is_the_current_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_company(tmp_path / "tiny"))
    assert millpond("check").exit_code == 0


# init


def test_init_makes_a_company_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "acme"
    words = ("--name", 'Acme "&" Sons', "--currency", "GBP", "--timezone", "Europe/London", "--country", "GB")
    assert millpond("init", folder, *words).exit_code == 0
    made = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert made == [".env", ".gitignore", "exports", "mappings", "millpond.toml"]
    config = load_company(folder).config
    assert (config.base_currency, config.timezone, config.country) == ("GBP", "Europe/London", "GB")
    assert config.name == "Acme & Sons"
    assert ".env" in (folder / ".gitignore").read_text().splitlines()


def test_init_leaves_what_exists(tmp_path: Path) -> None:
    (tmp_path / "millpond.toml").write_text("# mine\n")
    (tmp_path / ".env").write_text("TOKEN=secret\n")
    assert millpond("init", tmp_path).exit_code == 0
    assert (tmp_path / "millpond.toml").read_text() == "# mine\n"
    assert (tmp_path / ".env").read_text() == "TOKEN=secret\n"
    assert (tmp_path / ".gitignore").exists()


def test_check_of_a_new_company_says_what_is_missing(tmp_path: Path) -> None:
    millpond("init", tmp_path)
    (said,) = sentences(millpond("--company", tmp_path, "check"))
    assert str(tmp_path / "millpond.toml") in said
    assert "[sources.<name>]" in said


# check


@pytest.fixture
def company(tmp_path: Path) -> Path:
    return write_company(tmp_path / "tiny")


def test_good_company_is_ready(company: Path) -> None:
    result = millpond("--company", company, "check")
    assert result.exit_code == 0
    assert "is ready to run" in result.stdout
    assert not (company / "lake").exists()


Mistake = Callable[[Path], object]


def toml(old: str, new: str) -> Mistake:
    """Edit millpond.toml."""

    def make(company: Path) -> None:
        path = company / "millpond.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return make


def mapping(name: str, sql: str) -> Mistake:
    """Write a mapping."""

    def make(company: Path) -> None:
        path = company / "mappings" / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql)

    return make


CRM = '[sources.crm]\nconnector = "files"\n'

#: A mistake, and what its one sentence must name: the file, the key or place, and the mend.
MISTAKES: dict[str, tuple[Mistake, list[str]]] = {
    "unknown key": (toml("country =", "contry ="), ["millpond.toml", "contry", "did you mean country?"]),
    "missing key": (toml('country = "DE"\n', ""), ["millpond.toml", "country is missing", "add it"]),
    "wrong value": (toml("Europe/Berlin", "Berlin"), ["millpond.toml", "timezone = 'Berlin'", "IANA time zone"]),
    "not TOML": (toml('name = "Tiny"', "name = Tiny"), ["millpond.toml", "not valid TOML", "line 2"]),
    "unknown connector": (
        toml(CRM, '[sources.crm]\nconnector = "flies"\n'),
        ["millpond.toml", "sources.crm.connector", "no connector flies", "files"],
    ),
    "missing drop folder": (
        toml("exports/crm", "exports/nowhere"),
        ["millpond.toml", "sources.crm.path", "exports/nowhere", "does not exist", "create the folder"],
    ),
    "missing export": (
        toml("contacts*.csv", "people*.csv"),
        ["millpond.toml", "sources.crm.tables.contacts.files", "people*.csv", "put the export there"],
    ),
    "option typo": (
        toml(CRM, f'{CRM}encodng = "latin-1"\n'),
        ["millpond.toml", "sources.crm.encodng", "not an option", "mend its spelling"],
    ),
    "name not set": (
        toml("exports/crm", "${CRM_FOLDER}/crm"),
        ["millpond.toml", "sources.crm.path", "${CRM_FOLDER}", "not set", ".env"],
    ),
    "mapping of an unknown source": (
        mapping("erp/contact", "SELECT 1 AS source_id"),
        ["mappings/erp/contact.sql", "source erp", "crm, shop"],
    ),
    "mapping named after no entity": (
        mapping("crm/contcat", "SELECT id AS source_id FROM raw.contacts"),
        ["mappings/crm/contcat.sql", "no entity", "did you mean contact.sql?"],
    ),
    "mapping of a column that the source lacks": (
        mapping("crm/contact", "SELECT id AS source_id,\n  nickname AS full_name\nFROM raw.contacts"),
        ["mappings/crm/contact.sql, line 2", "nickname", "mend the name"],
    ),
    "mapping of a table that the source lacks": (
        mapping("crm/contact", "SELECT id AS source_id\nFROM raw.people"),
        ["mappings/crm/contact.sql", "line 2", "raw.people does not exist", "contacts"],
    ),
    "mapping to a column that the contract lacks": (
        mapping("crm/contact", "SELECT id AS source_id, name AS ful_name FROM raw.contacts"),
        ["mappings/crm/contact.sql", "contact has no column ful_name", "did you mean full_name?"],
    ),
    "mapping without source_id": (
        mapping("crm/contact", "SELECT name AS full_name FROM raw.contacts"),
        ["mappings/crm/contact.sql", "no source_id", "AS source_id"],
    ),
    "mapping that is no SQL": (
        mapping("crm/contact", "SELECT id AS source_id\nFORM raw.contacts WHERE"),
        ["mappings/crm/contact.sql", "line 2"],
    ),
    "mapping that writes": (
        mapping("crm/contact", "DROP TABLE raw.contacts"),
        ["mappings/crm/contact.sql", "one SELECT", "DROP"],
    ),
    "mapping that reads files": (
        mapping("crm/contact", "SELECT id AS source_id FROM read_csv('/etc/passwd')"),
        ["mappings/crm/contact.sql", "read_csv", "take it out"],
    ),
    "metrics that are no list": (
        lambda company: (company / "metrics.yaml").write_text("metrics: 7\n"),
        ["metrics.yaml", "a list under `metrics`"],
    ),
    "metrics that are no YAML": (
        lambda company: (company / "metrics.yaml").write_text("metrics: [\n"),
        ["metrics.yaml", "cannot be read as YAML", "Mend the file"],
    ),
    "metric that lacks a key": (
        lambda company: (company / "metrics.yaml").write_text("metrics:\n  - name: mine\n    title: Mine\n"),
        ["metrics.yaml", "mine", "lacks", "Add it"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_check_finds_each_mistake(name: str, company: Path) -> None:
    make, parts = MISTAKES[name]
    make(company)
    found = sentences(millpond("--company", company, "check"))
    about = [s for s in found if all(part in s for part in parts)]
    assert len(about) == 1, found
    assert len(found) == 1 or name == "unknown key", found
    assert about[0].endswith((".", "?", ")"))


def test_check_finds_all_mistakes_at_once(company: Path) -> None:
    for name in ("missing drop folder", "mapping of an unknown source", "metrics that are no list"):
        MISTAKES[name][0](company)
    assert len(sentences(millpond("--company", company, "check"))) == 3


def test_secret_in_env_file_is_found_and_not_shown(company: Path) -> None:
    toml("exports/crm", "${CRM_FOLDER}/crm")(company)
    (company / ".env").write_text("CRM_FOLDER=exports\n")
    assert millpond("--company", company, "check").exit_code == 0


# run


def test_good_night_ends_with_status_0_and_where_to_look(tiny: Tiny) -> None:
    result = on(tiny, "run")
    assert result.exit_code == 0
    for part in ("crm", "shop", "fresh", "customers", "orders", "checks", "anomalies", "warehouse.duckdb"):
        assert part in result.stdout
    assert f"--company {tiny.root} query" in result.stdout
    assert DISPLAY.show is None


def test_night_with_a_stale_source_ends_with_status_3(tiny: Tiny) -> None:
    (tiny.root / "exports" / "crm").rename(tiny.root / "exports" / "gone")
    result = on(tiny, "run")
    assert result.exit_code == 3
    assert "crm was not loaded" in result.stdout
    assert "stale since" in result.stdout
    assert "stale since" in on(tiny, "sources").stdout
    assert "does not exist" in on(tiny, "status").stdout


def test_night_that_publishes_nothing_ends_with_status_1(tiny: Tiny) -> None:
    with tiny.export("shop/orders.csv").open("a") as file:
        file.write('A7,jan@example.org,EUR,"1,00",2029-10-05 09:00\n')
    before = on(tiny, "versions").stdout
    result = on(tiny, "run")
    assert result.exit_code == 1
    assert "ordered_not_in_the_future" in result.stdout
    assert on(tiny, "versions").stdout == before
    assert "Last refresh: failed" in on(tiny, "status").stdout


def test_run_of_an_unknown_source_names_the_known(first_night: Tiny) -> None:
    (said,) = sentences(on(first_night, "run", "--source", "erp"))
    assert said == "millpond.toml names no source erp; it names crm, shop."


def test_second_run_beside_a_night_says_who_runs(first_night: Tiny) -> None:
    with locks.hold(first_night.company.home, "night"):
        (said,) = sentences(on(first_night, "run"))
    assert re.search(r"night is in use by process \d+; wait for it to end", said)


# query


def test_query_prints_a_table(first_night: Tiny) -> None:
    result = on(first_night, "query", "SELECT order_number, total FROM core.sales_order ORDER BY 1")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [["order_number", "total"], ["A1", "30.0000"], ["A2", "12.5000"], ["A3", "7.0000"]]


def test_query_shows_text_as_it_is(first_night: Tiny) -> None:
    result = on(first_night, "query", "SELECT '[/x] [bold]b' AS \"[red]\"")
    assert [line.strip() for line in result.stdout.splitlines()] == ["[red]", "[/x] [bold]b"]


def test_query_says_when_there_is_more(first_night: Tiny) -> None:
    result = on(first_night, "query", "FROM range(10) AS t(i) ORDER BY i DESC", "--limit", "2")
    assert [line.strip() for line in result.stdout.splitlines()[:3]] == ["i", "9", "8"]
    assert "more than 2 rows" in result.stdout


def test_query_gives_csv(first_night: Tiny) -> None:
    sql = (
        "SELECT 1.50 AS money, 'a,\"b' AS text, NULL AS nothing, true AS yes, [1, 2] AS list, DATE '2026-01-31' AS day"
    )
    result = on(first_night, "query", sql, "--format", "csv")
    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["money", "text", "nothing", "yes", "list", "day"],
        ["1.50", 'a,"b', "", "true", "[1,2]", "2026-01-31"],
    ]


def test_query_gives_every_row_of_csv_in_order(first_night: Tiny) -> None:
    result = on(first_night, "query", "FROM range(25000) AS t(i) ORDER BY i DESC", "--format", "csv")
    assert [int(line) for line in result.stdout.splitlines()[1:]] == list(range(24_999, -1, -1))


@pytest.mark.parametrize("table", ["quarantine.order_line", "meta.freshness", "meta.night", "core.customer"])
@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_query_prints_every_type(first_night: Tiny, table: str, form: str) -> None:
    result = on(first_night, "query", f"FROM {table}", "--format", form)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) >= (1 if form == "json" else 2)


def test_query_gives_json(first_night: Tiny) -> None:
    result = on(first_night, "query", "SELECT email, 1 AS n FROM core.customer ORDER BY 1", "--format", "json")
    assert [row["email"] for row in json.loads(result.stdout)] == [
        "anna@example.com",
        "jan@example.org",
        "new@example.net",
    ]
    assert json.loads(result.stdout)[0]["n"] == 1


def test_query_reads_standard_input(first_night: Tiny) -> None:
    result = on(first_night, "query", "-", "--format", "csv", stdin="SELECT count(*) AS n\nFROM core.sales_order")
    assert result.stdout.splitlines() == ["n", "3"]


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM core.nothing", "nothing does not exist"),
        ("SELECT full_name::INTEGER FROM core.customer", "Could not convert string"),
        ("CREATE TABLE core.mine (x INTEGER)", "read-only"),
        ("DELETE FROM core.customer", "read-only"),
        ("FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled by configuration"),
        ("COPY core.customer TO '/tmp/customers.csv'", "disabled by configuration"),
        ("ATTACH '/tmp/other.duckdb'", "disabled by configuration"),
        ("SET enable_external_access = true", "Cannot enable external access"),
    ],
)
@pytest.mark.parametrize("form", ["table", "csv"])
def test_query_that_may_not_or_cannot_be_is_a_sentence(first_night: Tiny, sql: str, part: str, form: str) -> None:
    (said,) = sentences(on(first_night, "query", sql, "--format", form))
    assert part in said


# Looking at what is there


def test_before_the_first_night_everything_says_so(company: Path) -> None:
    for words in (("query", "SELECT 1"), ("quarantine",)):
        (said,) = sentences(millpond("--company", company, *words))
        assert "Nothing is published yet" in said
        assert "millpond run" in said
    assert "Nothing is published yet" in millpond("--company", company, "status").stdout
    assert "never loaded" in millpond("--company", company, "sources").stdout
    (said,) = sentences(millpond("--company", company, "rollback"))
    assert "no older version" in said


def test_status_and_sources(first_night: Tiny) -> None:
    status = on(first_night, "status").stdout
    assert "Warehouse: fresh" in status
    assert "Last refresh: succeeded" in status
    for text in (status, on(first_night, "sources").stdout):
        rows = [line.split()[:3] for line in text.splitlines() if line.startswith((" crm", " shop"))]
        assert rows == [["crm", "files", "fresh"], ["shop", "files", "fresh"]]


def test_status_while_a_night_builds(first_night: Tiny) -> None:
    from pipelines.night import building

    script = (
        "import sys; from pathlib import Path; from warehouse.company import load_company\n"
        "from pipelines.cli import main\n"
        "sys.argv = ['millpond', '--company', sys.argv[1], 'status']\n"
        "main()"
    )
    with building(first_night.company):
        done = subprocess.run(
            [sys.executable, "-c", script, str(first_night.root)], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "A refresh is running now." in done.stdout


def test_quarantine_overview_and_entity(first_night: Tiny) -> None:
    overview = on(first_night, "quarantine").stdout.splitlines()
    assert [line.split() for line in overview[1:]] == [["order_line", "1", "orphan:", "order_id", "(1)"]]
    rows = on(first_night, "quarantine", "order_line").stdout
    assert "orphan: order_id A9 not in sales_order" in rows
    (said,) = sentences(on(first_night, "quarantine", "orders"))
    assert said.startswith("There is no entity orders; known are activity, ")


def test_versions_and_rollback(tiny: Tiny) -> None:
    with tiny.export("shop/orders.csv").open("a") as file:
        file.write('A4,jan@example.org,EUR,"1,00",2026-10-05 09:00\n')
    assert tiny.night().published
    listed = [line.split() for line in on(tiny, "versions").stdout.splitlines()[1:]]
    assert [row[-1] == "current" for row in listed] == [True, False]
    newest, oldest = listed[0][0], listed[1][0]
    assert f"version {oldest}" in on(tiny, "rollback").stdout
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(3,)]
    assert on(tiny, "rollback", newest).exit_code == 0
    assert tiny.ask("SELECT count(*) FROM core.sales_order") == [(4,)]
    (said,) = sentences(on(tiny, "rollback", "20200101T000000Z"))
    assert said == "There is no version 20200101T000000Z; see `millpond versions`."
