"""The demo company's folder: the same every time, complete, and in step with its own truth."""

from __future__ import annotations

import hashlib
import re
import tomllib
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlglot

from connectors import registry
from sandbox import generate
from sandbox.days import PLAN, START
from sandbox.serve import PORT, store_path
from sandbox.store import Record, Store
from sandbox.trade import make_trade
from sandbox.vendors import all_vendors
from warehouse.contracts import SYSTEM_COLUMNS, entities

FIRST_DAYS, LAST_DAYS = "2024-11", "2026-10"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def truth(company: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(company / "truth" / f"{name}.parquet")


def records(company: Path, vendor: str, collection: str) -> dict[str, Record]:
    with closing(Store(store_path(company, vendor))) as store:
        return {record.id: record for record in store.page(collection, limit=10**9, deleted=None)}


def test_another_seed_gives_another_company(company: Path, tmp_path: Path, scale: float) -> None:
    generate.write(tmp_path / "other", scale=scale, seed=8)
    ours, theirs = digests(company), digests(tmp_path / "other")
    assert ours["exports/reviews/reviews.csv"] != theirs["exports/reviews/reviews.csv"]
    assert ours["served/shopify.sqlite"] != theirs["served/shopify.sqlite"]


def test_a_folder_that_is_up_to_date_is_left_alone(company: Path, scale: float) -> None:
    before = {p: p.stat().st_mtime_ns for p in company.rglob("*")}
    assert generate.write(company, scale=scale) is False
    assert {p: p.stat().st_mtime_ns for p in company.rglob("*")} == before


def test_a_folder_of_another_scale_is_written_anew(tmp_path: Path) -> None:
    assert generate.write(tmp_path / "c", scale=0.01)
    (tmp_path / "c/exports/reviews/stray.csv").write_text("a\n1\n")
    (tmp_path / "c/lake").mkdir()
    assert generate.write(tmp_path / "c", scale=0.012)
    assert not (tmp_path / "c/exports/reviews/stray.csv").exists()
    assert (tmp_path / "c/lake").is_dir()


def test_a_generation_that_was_cut_off_is_repeated(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(generate.shutil, "copytree", cut_off)
        with pytest.raises(KeyboardInterrupt):
            generate.write(tmp_path / "c", scale=scale)
    assert generate.write(tmp_path / "c", scale=scale) is True
    assert digests(tmp_path / "c") == digests(company)


def test_a_company_that_is_not_ours_is_refused(tmp_path: Path, scale: float) -> None:
    (tmp_path / "millpond.toml").write_text('name = "Real"\n')
    with pytest.raises(FileExistsError, match="Choose another folder"):
        generate.write(tmp_path, scale=scale)
    assert (tmp_path / "millpond.toml").read_text() == 'name = "Real"\n'


def test_order_lines_and_payments_add_up_to_their_orders() -> None:
    trade = make_trade(7, 0.05)
    orders = trade.orders.with_row_index("order")
    parts = orders["subtotal"] - orders["discount"] + orders["shipping"] + orders["tax"]
    assert (parts == orders["total"]).all()
    lines = trade.lines.group_by("order").agg(pl.col("total").sum().alias("goods")).sort("order")
    assert (lines["goods"] + orders["shipping"] == orders["total"]).all()
    paid = trade.charges.filter(pl.col("status") == "succeeded")
    assert paid["order"].is_unique().all()
    assert (paid["amount"] == orders["total"].gather(paid["order"])).all()
    assert (trade.refunds["amount"] <= orders["total"].gather(trade.refunds["order"])).all()


def test_the_configuration_matches_the_files_and_the_vendors(company: Path) -> None:
    config = tomllib.loads((company / "millpond.toml").read_text(encoding="utf-8"))
    served = {v.source: name for name, v in all_vendors().items() if v.source}
    assert set(config["sources"]) == {*generate.EXPORTS, *served}
    for name, source in config["sources"].items():
        if source["connector"] != "files":
            assert source["connector"] == served[name]
            continue
        folder = company / source["path"]
        for table, options in source["tables"].items():
            globs = options["files"] if isinstance(options["files"], list) else [options["files"]]
            for glob in globs:
                assert list(folder.glob(glob)), f"{name}.{table}: nothing matches {glob}"


def test_the_keys_of_the_demo_are_those_that_the_vendors_take(company: Path) -> None:
    named = set(re.findall(r"\$\{(\w+)\}", (company / "millpond.toml").read_text(encoding="utf-8")))
    kept = dict(
        line.split("=", 1)
        for line in (company / ".env").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert named == set(kept)
    assert kept["SANDBOX_URL"] == f"http://127.0.0.1:{PORT}"


def test_every_entity_has_a_mapping() -> None:
    config = tomllib.loads((generate.COMPANY / "millpond.toml").read_text(encoding="utf-8"))
    mapped = {path.stem for path in (generate.COMPANY / "mappings").glob("*/*.sql")}
    for source in config["sources"].values():
        folder = registry.get(source["connector"]).mappings
        mapped |= {path.stem for path in folder.glob("*.sql")} if folder else set()
    assert mapped == set(entities())


@pytest.mark.parametrize(
    "path", sorted((generate.COMPANY / "mappings").glob("*/*.sql")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_a_mapping_gives_the_contract_s_columns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- One row per ")
    select = sqlglot.parse_one(text, read="duckdb")
    given = [projection.alias_or_name for projection in select.expressions]
    contract = entities()[path.stem]
    known = {c.name for c in (*contract.columns, *SYSTEM_COLUMNS)} - {"source"}
    assert set(given) <= known
    assert len(set(given)) == len(given)
    assert {c.name for c in contract.columns if c.required} - {"source"} <= set(given)


@pytest.mark.parametrize(
    ("vendor", "collection", "source", "entity"),
    [
        ("hubspot", "contacts", "crm", "contact"),
        ("zendesk", "users", "helpdesk", "contact"),
        ("stripe", "customers", "payments", "contact"),
    ],
)
def test_the_truth_names_records_that_exist(
    company: Path, vendor: str, collection: str, source: str, entity: str
) -> None:
    known = truth(company, "identity").filter(pl.col("entity") == entity, pl.col("source") == source)["source_id"]
    assert known.is_unique().all()
    assert set(known) <= set(records(company, vendor, collection))
    assert set(known)


def test_people_are_hard_to_tell_apart_in_the_planned_ways(company: Path) -> None:
    people = truth(company, "identity")
    systems = people.group_by("person_id").agg(pl.col("source").n_unique())
    assert (systems["source"] > 2).any()
    shared = people.drop_nulls("email").group_by("email").agg(pl.col("person_id").n_unique())
    assert (shared["person_id"] > 1).any()


def test_every_planted_bad_row_of_a_file_is_in_it(company: Path) -> None:
    bad = truth(company, "bad_rows")
    assert set(bad["outcome"]) == {"quarantine", "dropped", "rejected_line"}
    reviews = (company / "exports/reviews/reviews.csv").read_text(encoding="utf-8").splitlines()
    planted = bad.filter(pl.col("source") == "reviews", pl.col("source_id").is_not_null())
    assert planted.height >= 3
    for row in planted.iter_rows(named=True):
        assert sum(line.startswith(f"{row['source_id']},") for line in reviews) == row["file_rows"]
    for row in bad.filter(pl.col("outcome") == "rejected_line").iter_rows(named=True):
        lines = (company / "exports" / row["source"] / row["file"]).read_text(encoding="utf-8-sig").split("\n")
        assert lines[row["line"] - 1].count(",") != lines[0].count(",")


def test_dirty_values_are_what_the_vendors_hold(company: Path) -> None:
    mended = truth(company, "mended_values").filter(
        pl.col("source") == "crm", pl.col("entity") == "contact", pl.col("column") == "email"
    )
    held = records(company, "hubspot", "contacts")
    assert mended.height > 3
    for row in mended.iter_rows(named=True):
        assert held[row["source_id"]].body["properties"]["email"] == row["dirty"] != row["clean"]


def test_anomalies_show_in_the_numbers() -> None:
    assert len(PLAN) >= 25
    assert min(event.first for event in PLAN) >= date(2025, 5, 1)
    orders = make_trade(7, 0.5).orders
    by_day = orders["day"].value_counts().sort("day")
    outage = (PLAN[0].first - START).days
    usual = by_day.filter(pl.col("day").is_between(outage - 28, outage - 1))["count"].mean()
    on_the_day = by_day.filter(pl.col("day") == outage)["count"].sum()
    assert isinstance(usual, float)
    assert on_the_day < usual / 4


def test_the_systems_hold_two_years(company: Path) -> None:
    with closing(Store(store_path(company, "shopify"))) as store:
        first = store.page("order", limit=1, order="created")[0]
        last = store.page("order", limit=1, order="created", descending=True)[0]
    months = [datetime.fromtimestamp(r.created / 1000, UTC).strftime("%Y-%m") for r in (first, last)]
    assert months == [FIRST_DAYS, LAST_DAYS]
