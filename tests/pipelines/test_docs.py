"""The pages of docs/ are what the code says now, and leave nothing out."""

from __future__ import annotations

import re

import pytest
import typer
from typer.main import get_command

from docs.generate import HERE, pages
from pipelines.cli import load_commands
from transforms.metrics import load_metrics
from warehouse.company import CompanyConfig, SourceConfig
from warehouse.contracts import tables
from warehouse.settings import Settings

PAGES = sorted(pages())


def page(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    assert page(name) == pages()[name], f"docs/{name} is behind the code; run `make docs`."


def test_every_command_has_its_part() -> None:
    group = get_command(load_commands())
    commands = group.list_commands(typer.Context(group))  # type: ignore[attr-defined]
    headings = re.findall(r"^## millpond (\S+)$", page("commands.md"), flags=re.MULTILINE)
    assert headings == sorted(commands)
    assert {"init", "check", "run", "ui", "query", "status", "sources", "quarantine"} <= set(headings)


def test_every_option_of_every_command_is_explained() -> None:
    unexplained = re.findall(r"^- `[^`]+`:\s*$", page("commands.md"), flags=re.MULTILINE)
    assert unexplained == []


def test_every_table_and_column_has_its_line() -> None:
    text = page("data-dictionary.md")
    parts = dict(re.findall(r"^### (\S+)$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL))
    assert sorted(parts) == sorted(tables())
    missing = [
        f"{name}.{column.name}"
        for name, contract in tables().items()
        for column in contract.columns
        if not re.search(rf"^\| (\*\*)?{re.escape(column.name)}(\*\*)? \|.*\S.*\|$", parts[name], re.MULTILINE)
    ]
    assert missing == []


def test_every_metric_has_its_line() -> None:
    named = re.findall(r"^\| `(\w+)` \|", page("metrics.md"), flags=re.MULTILINE)
    assert named == list(load_metrics())


def test_every_setting_has_its_line() -> None:
    explained = re.findall(r"^\| `([^`]+)` \| .*? ?\| \S.* \|$", page("settings.md"), flags=re.MULTILINE)
    machine = [f"MILLPOND_{name.upper()}" for name in Settings.model_fields]
    company = [name for name in CompanyConfig.model_fields if name != "sources"]
    source = [f"sources.<name>.{name}" for name in SourceConfig.model_fields]
    assert explained == [*machine, *company, *source]


@pytest.mark.parametrize("path", sorted(HERE.glob("*.md")), ids=lambda path: path.name)
def test_no_path_of_somebodys_machine(path) -> None:  # type: ignore[no-untyped-def]
    found = re.findall(r"(?<![\w.:/<])/(?:home|work|root|Users|tmp|mnt|opt)/\S*", path.read_text(encoding="utf-8"))
    assert found == []
