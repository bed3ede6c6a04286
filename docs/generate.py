"""Writes the pages of docs/ that follow from the code: tables, metrics, commands and settings.

`make docs` runs it; a test fails when a page is behind. Pages written by hand are none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.main import get_command

from connectors import registry
from connectors._api.options import ApiOptions
from transforms.metrics import load_metrics
from warehouse.company import CompanyConfig, SourceConfig
from warehouse.contracts import SYSTEM_COLUMNS, Column, Contract, tables
from warehouse.settings import Settings

HERE = Path(__file__).parent
LAYERS = {
    "clean": "One table per entity, rows of all sources, key (source, source_id).",
    "identity": "Which records are the same person, company or product.",
    "core": "The unified model: one row per real thing.",
    "mart": "What people ask every day.",
    "insight": "What the machine noticed.",
    "meta": "How the nights went.",
}


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    return {
        "data-dictionary.md": "\n".join(_dictionary()),
        "metrics.md": "\n".join(_metrics()),
        "commands.md": "\n".join(_commands()),
        "settings.md": "\n".join(_settings()),
        "connectors.md": "\n".join(_connectors()),
    }


def _dictionary() -> Iterator[str]:
    yield "# Data dictionary\n\nFrom the contracts in `warehouse/contracts/`; `make docs` writes this page.\n"
    for schema, meaning in LAYERS.items():
        own = [c for c in tables().values() if c.schema == schema]
        yield f"## {schema}\n\n{meaning}\n"
        if schema == "clean":
            yield "Every clean table also carries:\n"
            yield from _columns(SYSTEM_COLUMNS, {})
        for contract in sorted(own, key=lambda c: c.name):
            kept = " Kept for good: no source could give it again." if contract.is_lasting else ""
            yield f"### {contract.table}\n\n{contract.description} {contract.grain}{kept}\n"
            yield from _columns(contract.columns, _targets(contract))
            yield from _rules(contract)


def _targets(contract: Contract) -> dict[str, str]:
    return {
        r.column: f"{r.to_table if '.' in r.to_table else f'{contract.schema}.{r.to_table}'}.{r.to_column}"
        for r in contract.references
    }


def _columns(columns: tuple[Column, ...], targets: dict[str, str]) -> Iterator[str]:
    yield "| column | type | meaning |\n|---|---|---|"
    for column in columns:
        notes = [column.description]
        if column.enum:
            notes.append(f"One of {', '.join(f'`{v}`' for v in column.enum)}.")
        if column.name in targets:
            notes.append(f"→ `{targets[column.name]}`.")
        if column.classification:
            notes.append(f"*{column.classification}*")
        name = f"**{column.name}**" if column.primary_key else column.name
        yield f"| {name} | {column.duckdb_type}{'' if column.required else '?'} | {' '.join(notes)} |"
    yield ""


def _rules(contract: Contract) -> Iterator[str]:
    for rule in contract.rules:
        yield f"- `{rule.name}` ({rule.severity}): {rule.description}"
    if contract.rules:
        yield ""


def _metrics() -> Iterator[str]:
    yield "# Metrics\n\nFrom `transforms/metrics.yaml`; `mart.metric_daily` holds each by day and dimension.\n"
    yield "| metric | title | unit | good | by | meaning |\n|---|---|---|---|---|---|"
    for metric in load_metrics().values():
        by = ", ".join(name for name, _ in metric.dimensions)
        cells = (f"`{metric.name}`", metric.title, metric.unit, metric.direction, by, metric.description)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _commands() -> Iterator[str]:
    from pipelines.cli import load_commands

    yield "# Commands\n"
    yield "Every command takes `--company DIR` before its name; default: `MILLPOND_COMPANY`, else the current folder.\n"
    group = get_command(load_commands())
    context = typer.Context(group, info_name="millpond")
    for name in sorted(group.list_commands(context)):  # type: ignore[attr-defined]
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        yield f"## millpond {name}\n\n{(command.help or '').strip()}\n"
        for parameter in command.params:
            if parameter.name == "help":
                continue
            label = ", ".join(parameter.opts) if parameter.param_type_name == "option" else str(parameter.name).upper()
            yield f"- `{label}`: {getattr(parameter, 'help', '') or ''}"
        yield ""


def _settings() -> Iterator[str]:
    yield "# Settings\n\n## The machine: environment variables\n"
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        yield f"| `MILLPOND_{name.upper()}` | {default} | {field.description} |"
    yield "\n## The company: millpond.toml\n\n| key | default | meaning |\n|---|---|---|"
    for prefix, model in (("", CompanyConfig), ("sources.<name>.", SourceConfig)):
        for name, field in model.model_fields.items():
            if name == "sources":
                continue
            given = field.default not in (None, PydanticUndefined)
            default = "required" if field.is_required() else f"`{field.default}`" if given else ""
            yield f"| `{prefix}{name}` | {default} | {field.description or ''} |"
    yield "\nFurther keys of a source are its connector's, see [connectors](connectors.md).\n"


def _connectors() -> Iterator[str]:
    yield "# Connectors\n"
    yield "What Millpond reads, from the connectors themselves; `make docs` writes this page. The README of each says"
    yield "how to set it up, and [add a connector](add-a-connector.md) how to write one.\n"
    yield "| connector | reads | interface | served until | entities |\n|---|---|---|---|---|"
    for connector in registry.all_connectors():
        version, until = "", ""
        if connector.api:
            version = f"[{connector.api.name}]({connector.api.page})"
            until = str(connector.api.sunset or "no end announced")
        entities = sorted(p.stem for p in connector.mappings.glob("*.sql")) if connector.mappings else ["as mapped"]
        name = f"[{connector.name}](../connectors/{connector.name}/README.md)"
        yield f"| {name} | {connector.description} | {version} | {until} | {', '.join(entities)} |"
    yield "\n## Options that every interface has\n"
    yield from _options(ApiOptions.model_fields)
    yield "\n## Options of each connector\n"
    for connector in registry.all_connectors():
        own = {n: f for n, f in connector.options.model_fields.items() if n not in ApiOptions.model_fields}
        yield f"### {connector.name}\n"
        yield from _options(own)
        yield ""


def _options(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield "| option | default | meaning |\n|---|---|---|"
    for name, field in fields.items():
        default = (
            "required" if field.is_required() else "" if field.default in (None, PydanticUndefined) else field.default
        )
        shown = default if default in ("", "required") else f"`{default}`"
        yield f"| `{field.alias or name}` | {shown} | {field.description or ''} |"


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
