"""What Dagster is given: everything there, described, and loadable with no company, secret, network or database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.assemble import build_definitions, tables_read
from tests.pipelines.conftest import write_company
from warehouse.company import load_company
from warehouse.contracts import SYSTEM_COLUMNS, entities, tables

ROOT = Path(__file__).resolve().parents[2]

#: Loads the code location where every door is locked: sockets, DuckDB and SQLite raise.
LOCKED = """
import socket, sqlite3, sys
sys.path.insert(0, sys.argv[1])

def locked(*args, **kwargs):
    raise AssertionError("loading definitions must not open this")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = locked
import duckdb
duckdb.connect = sqlite3.connect = locked
from pipelines.definitions import defs
jobs = sorted(job.name for job in defs.resolve_all_job_defs())
assets = sorted(key.to_user_string() for key in defs.resolve_all_asset_keys())
print(len(assets), *jobs)
"""


@pytest.fixture(scope="module")
def company_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("definitions") / "tiny")


@pytest.fixture(scope="module")
def repository(company_folder: Path) -> dg.RepositoryDefinition:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLPOND_HOME", raising=False)
        return build_definitions(load_company(company_folder)).get_repository_def()


@pytest.fixture(scope="module")
def nodes(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    """Every asset that is made here, by its key."""
    return {spec.key.to_user_string(): spec for d in repository.assets_defs_by_key.values() for spec in d.specs}


def load_locked(folder: Path, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOCKED, str(ROOT)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_load_without_company_environment_network_and_database(tmp_path: Path) -> None:
    assets, *jobs = load_locked(tmp_path, {})
    assert int(assets) > len(entities())
    assert "refresh" in jobs
    assert "night" not in jobs
    assert list(tmp_path.iterdir()) == []


def test_load_with_a_company_opens_nothing_either(company_folder: Path, tmp_path: Path) -> None:
    before = sorted(company_folder.rglob("*"))
    _, *jobs = load_locked(tmp_path, {"MILLPOND_COMPANY": str(company_folder)})
    assert {"load_crm", "load_shop", "night", "refresh"} <= set(jobs)
    assert sorted(company_folder.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


def test_every_table_is_an_asset(nodes: dict[str, dg.AssetSpec]) -> None:
    built = [name for name in tables() if not name.startswith("meta.")]
    assert len(entities()) == 27
    assert {name.replace(".", "/") for name in built} <= set(nodes)
    assert {"raw/crm/contacts", "raw/shop/orders", "raw/shop/lines", "meta/night", "warehouse"} <= set(nodes)


def test_every_asset_says_what_it_is(nodes: dict[str, dg.AssetSpec]) -> None:
    silent = {name for name, spec in nodes.items() if not spec.description or len(spec.description) < 15}
    homeless = {name for name, spec in nodes.items() if spec.group_name in (None, "default")}
    kindless = {name for name, spec in nodes.items() if not spec.kinds}
    assert (silent, homeless, kindless) == (set(), set(), set())


def test_layers_are_groups(nodes: dict[str, dg.AssetSpec]) -> None:
    found: dict[str, set[str]] = {}
    for name, spec in nodes.items():
        found.setdefault(str(spec.group_name), set()).add(name.split("/")[0])
    domains = {f"clean_{contract.domain.lower()}": {"clean"} for contract in entities().values()}
    layers = {name: {name} for name in ("raw", "identity", "core", "mart", "insight", "warehouse")}
    assert found == {**domains, **layers, "night": {"meta"}}


@pytest.mark.parametrize("table", [name for name in tables() if not name.startswith("meta.")])
def test_table_shows_its_columns(nodes: dict[str, dg.AssetSpec], table: str) -> None:
    contract = tables()[table]
    schema = nodes[table.replace(".", "/")].metadata["dagster/column_schema"]
    shown = schema.value if isinstance(schema, dg.TableSchemaMetadataValue) else schema
    extra = SYSTEM_COLUMNS if contract.schema == "clean" else ()
    wanted = [(c.name, c.duckdb_type, c.description) for c in (*contract.columns, *extra)]
    assert [(c.name, c.type, c.description) for c in shown.columns] == wanted


def test_mappings_join_clean_to_raw(nodes: dict[str, dg.AssetSpec]) -> None:
    deps = {name: {d.asset_key.to_user_string() for d in spec.deps} for name, spec in nodes.items()}
    assert deps["clean/contact"] >= {"raw/crm/contacts"}
    assert deps["clean/order_line"] >= {"raw/shop/lines", "clean/sales_order"}
    assert deps["warehouse"] >= {"core/customer", "mart/sales_daily", "insight/anomaly", "clean/contact"}


def test_checks_of_contracts_are_asset_checks(repository: dg.RepositoryDefinition) -> None:
    keys = {(k.asset_key.to_user_string(), k.name) for k in repository.asset_graph.asset_check_keys}
    unchecked = [name for name in tables() if not name.startswith("meta.") and not _checks(keys, name)]
    assert unchecked == []
    rules = {
        (name.replace(".", "/"), rule.name)
        for name, contract in tables().items()
        if not name.startswith("meta.")
        for rule in contract.rules
    }
    assert rules - keys == set()
    assert {("warehouse", "crm_is_fresh"), ("warehouse", "shop_is_fresh")} <= keys
    assert {("raw/crm/contacts", "every_file_was_read"), ("raw/crm/contacts", "columns_are_as_before")} <= keys
    assert len(keys) > 500


def _checks(keys: set[tuple[str, str]], table: str) -> set[str]:
    return {name for asset, name in keys if asset == table.replace(".", "/")}


def test_jobs(repository: dg.RepositoryDefinition) -> None:
    assert {"load_crm", "load_shop", "night", "refresh"} <= set(repository.job_names)
    assert [sensor.name for sensor in repository.sensor_defs] == ["refresh_after_loads"]
    selected = repository.get_job("refresh").asset_layer.executable_asset_keys
    assert not [key for key in selected if key.path[0] == "raw"]
    loaded = repository.get_job("load_shop").asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in loaded} == {"raw/shop/lines", "raw/shop/orders"}


def test_pool_per_data_file(repository: dg.RepositoryDefinition) -> None:
    pools = {
        node.name: set(node.definition.pools)
        for job in ("load_crm", "load_shop", "refresh")
        for node in repository.get_job(job).graph.nodes
    }
    assert pools.pop("read_crm") == {"raw_crm"}
    assert pools.pop("read_shop") == {"raw_shop"}
    assert len(pools) >= 10
    assert {frozenset(p) for p in pools.values()} == {frozenset({"build"})}


@pytest.mark.parametrize("sql", ["SELEC 1 AS", "SELECT 'open FROM raw.x", "", "-- nothing yet"])
def test_mapping_that_does_not_parse_leaves_the_definitions_standing(sql: str) -> None:
    assert tables_read(sql) == []


def test_workspace_loads_with_plain_dagster(company_folder: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
        "MILLPOND_COMPANY": str(company_folder),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Validation successful" in done.stdout + done.stderr


def test_the_night_comes_before_every_table_of_the_refresh() -> None:
    from pipelines.definitions import defs

    graph = defs.resolve_asset_graph()
    layers = {"clean", "identity", "core", "mart", "insight"}
    tables = [key for key in graph.get_all_asset_keys() if key.path[0] in layers]
    assert len(tables) > 60
    late = [key for key in tables if dg.AssetKey(["meta", "night"]) not in graph.get(key).parent_keys]
    assert late == []
