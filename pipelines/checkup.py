"""`millpond check`: every mistake of a company folder, found before anything runs, each one sentence with its mend."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.night import source_of
from warehouse.company import CONFIG_NAME, Company, CompanyError, MappingFile, load_company
from warehouse.contracts import ContractError, entities, tables

if TYPE_CHECKING:
    from connectors.base import Connector

RawColumns = dict[str, dict[str, str]]


def problems(root: Path) -> list[str]:
    """All mistakes of the company folder, empty when the night may run."""
    try:
        company = load_company(root)
    except CompanyError as error:
        return error.problems
    try:
        tables()
    except ContractError as error:
        return [str(error)]
    found: list[str] = []
    for name in company.config.sources:
        found += source_problems(company, name)
    found += [p for m in company.mappings() for p in _misplaced(company, m)]
    found += _metric_problems(company)
    if not company.config.sources:
        found.append(f"{root / 'millpond.toml'} names no source; add a [sources.<name>] table.")
    return found


def source_problems(company: Company, name: str) -> list[str]:
    """Mistakes in one source's options, files and mappings."""
    from connectors import registry
    from connectors.base import ConnectorError

    kind = company.config.sources[name].connector
    if kind not in registry.names():
        place = f"{company.root / 'millpond.toml'}: sources.{name}.connector"
        return [f"{place}: there is no connector {kind}; use one of {', '.join(registry.names())}."]
    try:
        connector = registry.get(kind)
        found = [*open_secrets(company, connector, name), *connector.problems(source_of(company, name))]
    except ConnectorError as error:
        return [str(error)]
    if found:
        return found
    own = [m for m in mapping_files(company) if m.source == name]
    if not own:
        folder = company.root / "mappings" / name
        return [f"Source {name} has no mapping; put one <entity>.sql per entity into {folder}."]
    return _binding_problems(company, connector, name, own)


def open_secrets(company: Company, connector: Connector, name: str) -> list[str]:
    """Secrets that stand in millpond.toml themselves, where they get into backups and version control."""
    path = company.root / CONFIG_NAME
    written = tomllib.loads(path.read_text(encoding="utf-8"))["sources"][name]
    return [
        f"{path}: sources.{name}.{key} holds the secret itself; put {name.upper()}_{key.upper()}=… into "
        f'{company.root / ".env"} and write {key} = "${{{name.upper()}_{key.upper()}}}".'
        for key, field in connector.options.model_fields.items()
        if "SecretStr" in str(field.annotation) and isinstance(written.get(key), str) and "${" not in written[key]
    ]


def connection_problems(company: Company) -> Iterator[tuple[str, list[str]]]:
    """Asks every source system itself whether its key will do; gives the troubles of each source that can be asked."""
    from connectors import registry

    for name, source in company.config.sources.items():
        connect = registry.get(source.connector).connect
        if connect is not None:
            yield name, connect(source_of(company, name))


def mapping_files(company: Company) -> list[MappingFile]:
    """The mappings in force: the connector's own, and the company's, which win."""
    from connectors import registry

    chosen: dict[tuple[str, str], MappingFile] = {}
    for name, source in company.config.sources.items():
        if source.connector not in registry.names():
            continue
        folder = registry.get(source.connector).mappings
        for path in sorted(folder.glob("*.sql")) if folder else []:
            chosen[name, path.stem] = MappingFile(source=name, entity=path.stem, path=path)
    for mapping in company.mappings():
        if mapping.source in company.config.sources and mapping.entity in entities():
            chosen[mapping.source, mapping.entity] = mapping
    return [chosen[key] for key in sorted(chosen)]


def _binding_problems(company: Company, connector: Connector, name: str, own: list[MappingFile]) -> list[str]:
    from connectors.base import ConnectorError
    from transforms.mapping import Mapping, bind_problems

    try:
        columns = known_columns(company, connector, name)
    except ConnectorError as error:
        return [str(error)]
    found = []
    for file in own:
        mapping = Mapping(source=name, entity=file.entity, path=file.path, sql=file.sql)
        found += bind_problems(mapping, columns, entities()[file.entity])
    return found


def known_columns(company: Company, connector: Connector, name: str) -> RawColumns:
    """Columns that the source offers now, and those it offered before, since older files keep theirs."""
    offered = connector.discover(source_of(company, name))
    for table, columns in _loaded_columns(company, name).items():
        offered[table] = {**columns, **offered.get(table, {})}
    return offered


def _loaded_columns(company: Company, name: str) -> RawColumns:
    from warehouse import store

    if not company.home.raw_file(name).exists():
        return {}
    with store.connect(":memory:") as con, store.attached_raw(con, company.home, name) as catalog:
        return store.raw_columns(con, catalog)


def _misplaced(company: Company, mapping: MappingFile) -> list[str]:
    if mapping.source not in company.config.sources:
        known = ", ".join(company.config.sources) or "none"
        return [f"{mapping.path} maps a source {mapping.source} that millpond.toml does not name (it names: {known})."]
    if mapping.entity not in entities():
        near = difflib.get_close_matches(mapping.entity, entities(), n=1)
        hint = f"did you mean {near[0]}.sql?" if near else f"entities are {', '.join(sorted(entities()))}."
        return [f"{mapping.path} is named after no entity; {hint}"]
    return []


def _metric_problems(company: Company) -> list[str]:
    from transforms.metrics import MetricError, load_metrics

    try:
        load_metrics([company.metrics_file] if company.metrics_file else [])
    except MetricError as error:
        return [str(error)]
    return []
