"""The Shopify connector beyond what is true of all: bulk exports, points, scopes, and Shopify's own schema."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema

from connectors import registry
from connectors._api.resource import Reading
from connectors.base import ConnectorError, Source
from connectors.load import load
from connectors.shopify import bulk, client
from sandbox.store import Record
from sandbox.trade import make_trade
from sandbox.vendors.shopify import CLIENT_ID, CLIENT_SECRET
from tests.connectors.served import SCALE, SEED, Served, served
from tests.connectors.shopify.schema import check, published

#: The module; the package has a function of that name.
resources = sys.modules["connectors.shopify.resources"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def asked(one: Served, root: str) -> list[dict[str, Any]]:
    """Variables of the queries that asked for a list."""
    found = []
    for exchange in one.running.sandbox.exchanges:
        if exchange.path.endswith("graphql.json"):
            sent = json.loads(exchange.body)
            if f" {root}(first" in sent["query"]:
                found.append(sent["variables"])
    return found


def connect(one: Served) -> list[str]:
    ask = registry.get("shopify").connect
    assert ask is not None
    return ask(one.source)


def test_exchanges_hold_against_shopifys_own_schema(
    made: Path, tmp_path: Path, request: pytest.FixtureRequest, record_property: Any
) -> None:
    schema: GraphQLSchema = published(request.config.cache.mkdir("shopify"))
    with served("shopify", made=made, root=tmp_path, record=True) as one:
        connect(one)
        one.load()
        for _ in range(2):
            one.running.sandbox.night()
            one.load()
        one.store.delete("customer", one.store.page("customer", limit=1)[0].id, 0)
        one.load()
        exchanges = list(one.running.sandbox.exchanges)
    report = check(schema, exchanges)
    assert report.failures == []
    ((_, operations, requests, answers),) = report.table()
    assert operations >= 8
    assert min(requests, answers) > 30
    assert report.lines > 2_000
    record_property(
        "validated",
        f"shopify: {operations} operations, {requests} requests, {answers} answers, {report.lines} bulk lines",
    )


def test_what_bulk_gives_and_what_pages_give_is_the_same_to_the_letter(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        one.load()
        by_bulk = {t: one.sql(f"SELECT id, payload FROM raw.{t} ORDER BY id") for t in one.tables()}
        one.more["start_date"] = "2000-01-01"
        one.load("paged")
        for table in ("customers", "products", "orders"):
            assert one.sql(f"SELECT id, payload FROM raw.{table} ORDER BY id", "paged") == by_bulk[table]


def test_the_shop_is_all_there(made: Path, tmp_path: Path) -> None:
    trade = make_trade(SEED, SCALE)
    with served("shopify", made=made, root=tmp_path) as one:
        one.load()
        lines = one.sql(
            "SELECT count(*), sum(CAST(line->>'$.quantity' AS INT)) FROM raw.orders, "
            "unnest(CAST(payload->'$.lineItems' AS JSON[])) AS t(line) WHERE NOT (line->>'$.id') LIKE '%/99%'"
        )
        assert lines == [(trade.lines.height, trade.lines["quantity"].sum())]
        total = one.sql(
            "SELECT sum(CAST(payload->>'$.totalPriceSet.presentmentMoney.amount' AS DECIMAL(18,2))) * 100 "
            "FROM raw.orders WHERE id NOT LIKE '99%'"
        )
        assert total == [(trade.orders["total"].sum(),)]
        assert {t: len(one.sql(f"FROM raw.{t}")) for t in one.tables()} == {
            "customers": one.store.count("customer"),
            "orders": one.store.count("order"),
            "products": one.store.count("product"),
            "inventory_levels": one.store.count("variant"),
        }


def test_a_load_cut_off_in_its_export_goes_on_with_it(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_BATCH", 100)
    with served("shopify", made=made, root=tmp_path) as one:
        one.load("whole")
        one.more["tables"] = ["orders"]
        records, seen = resources.encoded, []

        def stopping(*args: Any) -> bytes:
            seen.append(1)
            if len(seen) == 350:
                raise KeyboardInterrupt
            return records(*args)

        monkeypatch.setattr(resources, "encoded", stopping)
        before = one.store.count("bulk")
        with pytest.raises(KeyboardInterrupt):
            one.load()
        one.load()
        assert one.store.count("bulk") == before + 1
        # Three batches of a hundred were safe.
        assert len(seen) == 350 + one.store.count("order") - 300
        assert one.dump()["orders"] == one.dump("whole")["orders"]


def test_an_export_that_failed_or_is_forgotten_is_ordered_anew(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        one.more["tables"] = ["customers"]
        one.running.sandbox.night()
        one.load("whole")
        resource = next(r for r in resources.resources() if r.name == "customers")
        connector = registry.get("shopify")
        options = connector.options.model_validate(one.source.options)
        api = client(one.source, options)
        for position in (
            {"bulk": "gid://shopify/BulkOperation/1"},
            {"bulk": f"gid://shopify/BulkOperation/{failed(one)}"},
        ):
            reading = Reading(api=api, options=options, until=api.now(), position=position)
            rows = {bytes(r) for page in resource.read(reading) for r in page.records}
            assert len(rows) == one.store.count("customer")
        api.close()


def failed(one: Served) -> str:
    """An operation that failed."""
    record = one.store.page("bulk", limit=1)[0]
    number = str(int(record.id) + 1)
    one.store.put("bulk", [replace(record, id=number, body={**record.body, "id": number, "status": "FAILED"})])
    return number


def test_a_file_that_comes_short_is_fetched_again_and_then_given_up(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path, record=True) as one:
        one.more["tables"] = ["customers"]
        real = bulk._whole_lines

        def short(path: Path) -> int:
            return real(path) - 1

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bulk, "_whole_lines", short)
            with pytest.raises(ConnectorError, match="whole lines only"):
                one.load()
        assert len([e for e in one.running.sandbox.exchanges if e.path.endswith(".jsonl")]) == 5
        assert one.load().tables == {"customers": one.store.count("customer")}


def test_a_long_list_within_a_record_is_read_to_its_end(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        one.load()
        record = one.store.page("order", limit=1, offset=3)[0]
        line = record.body["lineItems"][0]
        lines = [{**line, "id": str(9_990_000_000_000 + i)} for i in range(130)]
        at = one.running.sandbox.now() // 1000 * 1000
        body = {**record.body, "lineItems": lines, "updatedAt": "2026-11-01T00:00:00Z"}
        one.store.put("order", [Record(id=record.id, body=body, created=record.created, updated=at)])
        one.load()
        one.load("anew")
        assert one.sql(
            f"SELECT json_array_length(payload, '$.lineItems') FROM raw.orders WHERE id = '{record.id}'"
        ) == [(130,)]
        assert one.dump()["orders"] == one.dump("anew")["orders"]


def test_a_deep_list_is_begun_anew_where_it_came_to(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_DEEPEST", 200)
    monkeypatch.setattr(resources, "_FIRST", 50)
    monkeypatch.setattr("sandbox.vendors.shopify.lists.DEEPEST", 250)
    with served("shopify", made=made, root=tmp_path, record=True) as one:
        one.more |= {"start_date": "2000-01-01", "tables": ["orders"]}
        report = one.load()
        assert report.tables == {"orders": one.store.count("order")}
        starts = {variables["query"] for variables in asked(one, "orders")}
        assert len(starts) > 3


def test_pages_shrink_until_a_query_is_cheap_enough(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.vendors.shopify.MOST", 250)
    with served("shopify", made=made, root=tmp_path, record=True) as one:
        one.more |= {"start_date": "2000-01-01", "tables": ["orders"]}
        assert one.load().tables == {"orders": one.store.count("order")}
        sizes = [variables["first"] for variables in asked(one, "orders")]
        assert sizes[0] == 250
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] < 125


def test_an_empty_bucket_is_waited_for(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path, record=True, ease=0.35) as one:
        one.more |= {"start_date": "2000-01-01", "tables": ["orders"], "patience_seconds": 60.0}
        assert one.load().tables == {"orders": one.store.count("order")}
        throttled = [e for e in one.running.sandbox.exchanges if b"THROTTLED" in e.answer]
        assert len(throttled) <= 3


def test_missing_scopes_are_named(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        assert connect(one) == []
        one.store.write_note("scopes", ["read_customers", "write_products", "read_orders"])
        (sentence,) = connect(one)
        assert "read_all_orders" in sentence
        assert "recent_orders_only" in sentence
        one.more["recent_orders_only"] = True
        assert connect(one) == []
        # Stock is what a source can do without.
        findings = one.load().findings
        assert [(f.kind, f.table) for f in findings] == [("missing_table", "inventory_levels")]
        assert one.sql("SELECT count(*) FROM raw.inventory_levels") == [(0,)]
        one.store.write_note("scopes", ["read_products", "read_orders"])
        assert any("read_customers" in sentence for sentence in connect(one))
        with pytest.raises(ConnectorError, match="read_customers"):
            one.load("refused")
        assert one.dump("refused") == {}


def test_orders_that_grow_out_of_sixty_days_are_kept(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        one.more |= {"recent_orders_only": True, "tables": ["orders"]}
        one.load()
        scopes = ["read_customers", "read_products", "read_orders"]
        one.store.write_note("scopes", scopes)
        one.running.sandbox.night()
        one.load()
        live, deleted = one.sql(
            "SELECT count(*) FILTER (NOT is_deleted), count(*) FILTER (is_deleted) FROM raw.orders"
        )[0]
        assert (live > one.store.count("order") - 2, deleted) == (True, 0)


def test_a_deleted_product_is_known_by_its_event(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        one.load()
        (gone,) = one.running.sandbox.night()["shopify"]["product"].deleted
        one.more["sweep"] = "never"
        one.load()
        assert one.sql("SELECT id FROM raw.products WHERE is_deleted") == [(gone,)]
        title = one.sql(f"SELECT payload->>'$.title' FROM raw.products WHERE id = '{gone}'")
        assert title[0][0]


def test_client_credentials_work_and_outlive_a_token(made: Path, tmp_path: Path) -> None:
    with served("shopify", made=made, root=tmp_path) as one:
        options = {k: v for k, v in one.source.options.items() if k != "token"}
        by_app = replace(one.source, options={**options, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
        one.running.plan("shopify", "expired_token", after=3)
        report = load(by_app, raw_dir=tmp_path / "app", wait_seconds=5)
        assert report.tables["orders"] == one.store.count("order")
        assert one.store.note("grants") == 2
        wrong = replace(one.source, options={**by_app.options, "client_secret": "wrong"})
        ask = registry.get("shopify").connect
        assert ask is not None
        (sentence, *_) = ask(wrong)
        assert "client id or secret was refused" in sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"token": "a"}, None),
        ({"client_id": "a", "client_secret": "b"}, None),
        ({}, "either `token`, or"),
        ({"client_id": "a"}, "either `token`, or"),
        ({"token": "a", "client_id": "b", "client_secret": "c"}, "either `token`, or"),
        ({"token": "a", "shop": "https://example.com"}, "shop"),
        ({"token": "a", "tables": ["payments"]}, "there is no table payments"),
    ],
)
def test_options(made: Path, tmp_path: Path, options: dict[str, Any], words: str | None) -> None:
    source = Source(name="shop", connector="shopify", root=tmp_path, options={"shop": "demo.myshopify.com", **options})
    problems = registry.get("shopify").problems(source)
    assert (problems == []) if words is None else (len(problems) == 1 and words in problems[0])
