"""The demo company's folder: the same every time, complete, and in step with its own truth."""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import sqlglot

from sandbox import generate
from sandbox.days import PLAN, START
from sandbox.trade import make_trade
from warehouse.contracts import SYSTEM_COLUMNS, entities

FIRST_DAYS, LAST_DAYS = "2024-11", "2026-10"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def truth(company: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(company / "truth" / f"{name}.parquet")


def shop_orders(company: Path) -> pl.DataFrame:
    paths = sorted((company / "exports/shop/orders").glob("orders_*.csv"))
    return pl.concat([pl.read_csv(path, infer_schema=False) for path in paths])


def bad_ids(company: Path, source: str, entity: str) -> pl.Series:
    bad = truth(company, "bad_rows").filter(
        pl.col("source") == source,
        pl.col("entity") == entity,
        pl.col("outcome") == "quarantine",
        pl.col("file_rows") == 1,
    )
    return bad["source_id"].drop_nulls()


def test_another_seed_gives_another_company(company: Path, tmp_path: Path, scale: float) -> None:
    generate.write(tmp_path / "other", scale=scale, seed=8)
    ours, theirs = digests(company), digests(tmp_path / "other")
    assert ours["exports/shop/customers.csv"] != theirs["exports/shop/customers.csv"]


def test_a_folder_that_is_up_to_date_is_left_alone(company: Path, scale: float) -> None:
    before = {p: p.stat().st_mtime_ns for p in company.rglob("*")}
    assert generate.write(company, scale=scale) is False
    assert {p: p.stat().st_mtime_ns for p in company.rglob("*")} == before


def test_a_folder_of_another_scale_is_written_anew(tmp_path: Path) -> None:
    assert generate.write(tmp_path / "c", scale=0.01)
    (tmp_path / "c/exports/shop/stray.csv").write_text("a\n1\n")
    (tmp_path / "c/lake").mkdir()
    assert generate.write(tmp_path / "c", scale=0.012)
    assert not (tmp_path / "c/exports/shop/stray.csv").exists()
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


def test_the_exported_orders_sum_to_the_truth(company: Path) -> None:
    orders = shop_orders(company).unique("Id", keep="last")
    good = orders.filter(~pl.col("Id").is_in(bad_ids(company, "shop", "sales_order").to_list()))
    # Discounts are never dirty, so that plain text suffices here.
    cents = (good["Discount Amount"].str.replace(".", "", literal=True)).cast(pl.Int64).sum()
    totals = truth(company, "totals")
    assert cents == totals.filter(pl.col("measure") == "order_discount")["value"].sum()
    rows = totals.filter(
        (pl.col("measure") == "rows") & (pl.col("source") == "shop") & (pl.col("entity") == "sales_order")
    )
    assert good.height == rows["value"].item()


def test_the_configuration_matches_the_files(company: Path) -> None:
    config = tomllib.loads((company / "millpond.toml").read_text(encoding="utf-8"))
    assert set(config["sources"]) == set(generate.EXPORTS)
    for name, source in config["sources"].items():
        folder = company / source["path"]
        inside = [m for z in folder.glob("*.zip") for m in zipfile.ZipFile(z).namelist()]
        for table, options in source["tables"].items():
            globs = options["files"] if isinstance(options["files"], list) else [options["files"]]
            for glob in globs:
                assert list(folder.glob(glob)) or glob in inside, f"{name}.{table}: nothing matches {glob}"


def test_every_entity_has_a_mapping() -> None:
    mapped = {path.stem for path in (generate.COMPANY / "mappings").glob("*/*.sql")}
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


def test_the_truth_names_records_that_exist(company: Path) -> None:
    exported = {
        "shop": pl.read_csv(company / "exports/shop/customers.csv", infer_schema=False)["Customer ID"],
        "crm": pl.read_csv(company / "exports/crm/contacts.csv", infer_schema=False, truncate_ragged_lines=True)[
            "Record ID"
        ],
        "helpdesk": pl.read_ndjson(company / "exports/helpdesk/users.ndjson")["id"],
        "payments": pl.read_csv(company / "exports/payments/customers.csv", infer_schema=False)["id"],
    }
    with zipfile.ZipFile(company / "exports/mailing/audience_export.zip") as archive:
        exported["mailing"] = pl.read_csv(io.BytesIO(archive.read("members.csv")), infer_schema=False)["LEID"]
    contacts = truth(company, "identity").filter(pl.col("entity") == "contact")
    assert set(contacts["source"].unique()) == set(exported)
    for source, ids in exported.items():
        named = contacts.filter(pl.col("source") == source)["source_id"]
        assert set(named) <= set(ids)
        assert named.is_unique().all()
    guests = truth(company, "identity").filter(pl.col("entity") == "sales_order")
    assert set(guests["source_id"]) <= set(shop_orders(company).filter(pl.col("Customer ID").is_null())["Id"])


def test_people_are_hard_to_tell_apart_in_the_planned_ways(company: Path) -> None:
    people = truth(company, "identity")
    systems = people.group_by("person_id").agg(pl.col("source").n_unique())
    assert (systems["source"] > 2).any()
    shared = people.drop_nulls("email").group_by("email").agg(pl.col("person_id").n_unique())
    assert (shared["person_id"] > 1).any()


def test_every_planted_bad_row_is_in_the_exports(company: Path) -> None:
    bad = truth(company, "bad_rows")
    assert set(bad["outcome"]) == {"quarantine", "dropped", "rejected_line"}
    orders = shop_orders(company)["Id"].to_list()
    planted = bad.filter((pl.col("source") == "shop") & (pl.col("entity") == "sales_order"))
    for row in planted.iter_rows(named=True):
        assert orders.count(row["source_id"]) == row["file_rows"]
    for row in bad.filter(pl.col("outcome") == "rejected_line").iter_rows(named=True):
        text = (company / "exports" / row["source"] / row["file"]).read_text(encoding="utf-8-sig")
        lines = text.split("\n")
        assert lines[row["line"] - 1].count(",") != lines[0].count(",")


def test_dirty_values_stand_in_the_exports(company: Path) -> None:
    mended = truth(company, "mended_values")
    orders = shop_orders(company).unique("Id", keep="last")
    totals = mended.filter((pl.col("entity") == "sales_order") & (pl.col("column") == "total"))
    assert totals.height > 3
    found = totals.join(orders, left_on="source_id", right_on="Id")
    assert found.height == totals.height
    assert (found["dirty"] == found["Total"]).all()
    assert (found["dirty"] != found["clean"]).all()


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


def test_exports_hold_two_years(company: Path) -> None:
    months = {p.stem.removeprefix("orders_") for p in (company / "exports/shop/orders").glob("orders_*.csv")}
    assert len(months) == 24
    assert (min(months), max(months)) == (FIRST_DAYS, LAST_DAYS)
