"""Puts a company's definitions together: assets of every layer, jobs, schedules and the sensor.

definitions.py offers them to Dagster, run.py executes them in one process.
"""

from __future__ import annotations

import dagster as dg

from pipelines.assets.clean import clean_assets
from pipelines.assets.model import model_assets
from pipelines.assets.raw import load_assets
from pipelines.assets.release import NIGHT, anomaly_asset, night_asset, warehouse_asset
from pipelines.automation import load_job, night_schedule, refresh_sensor, source_schedules
from pipelines.checkup import mapping_files
from warehouse.company import Company
from warehouse.contracts import entities, tables

REFRESH = "refresh"


def build_definitions(company: Company) -> dg.Definitions:
    """Definitions for a company."""
    mappings = mapping_files(company)
    raw_tables = {(m.source, m.entity): tables_read(m.sql) for m in mappings}
    loads = {name: _load(company, name, raw_tables) for name in company.config.sources}
    refresh = [night_asset(company=company), *_clean(company, raw_tables), *_models(company)]
    keys = sorted(key for assets in refresh for key in assets.keys if key != NIGHT)
    refresh.append(warehouse_asset(company=company, deps=keys))
    selection = dg.AssetSelection.assets(*(key for assets in refresh for key in assets.keys))
    refresh_job = dg.define_asset_job(
        REFRESH, selection=selection, description="Clean, check, unify and publish what the sources loaded."
    )
    load_jobs = {name: load_job(assets, name) for name, assets in loads.items()}
    jobs = [*load_jobs.values(), refresh_job]
    schedules = source_schedules(company, load_jobs)
    if loads:
        own_keys = {name: list(assets.keys) for name, assets in loads.items()}
        raw = dg.AssetSelection.assets(*(key for own in own_keys.values() for key in own))
        night_job = dg.define_asset_job("night", selection=raw, description="The night's loads, one run per source.")
        jobs.append(night_job)
        schedules.append(night_schedule(company, night_job, own_keys))
    return dg.Definitions(
        assets=[*loads.values(), *refresh],
        jobs=jobs,
        schedules=schedules,
        sensors=[refresh_sensor(refresh_job, list(loads))],
        executor=dg.in_process_executor,
    )


def tables_read(sql: str) -> list[str]:
    """Raw tables that a mapping reads; none for one that does not parse, which `millpond check` reports."""
    from transforms.mapping import MappingError, raw_tables

    try:
        return raw_tables(sql)
    except MappingError:
        return []


def _load(company: Company, name: str, raw_tables: dict[tuple[str, str], list[str]]) -> dg.AssetsDefinition:
    read = sorted({t for (source, _), found in raw_tables.items() if source == name for t in found})
    return load_assets(company=company, source=name, tables=read or ["all"])


def _clean(company: Company, raw_tables: dict[tuple[str, str], list[str]]) -> list[dg.AssetsDefinition]:
    contracts = list(entities().values())
    return [
        clean_assets(
            company=company,
            domain=domain,
            contracts=[c for c in contracts if c.domain == domain],
            mappings=mapping_files(company),
            raw_tables=raw_tables,
        )
        for domain in dict.fromkeys(c.domain for c in contracts)
    ]


def _models(company: Company) -> list[dg.AssetsDefinition]:
    known = list(tables().values())
    built = [
        model_assets(company=company, schema=schema, contracts=[c for c in known if c.schema == schema])
        for schema in ("identity", "core", "mart")
    ]
    return [*built, anomaly_asset(company=company, contract=tables()["insight.anomaly"])]
