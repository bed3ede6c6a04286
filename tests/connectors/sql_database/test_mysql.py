"""A real MariaDB through the connector: what lands, what nights change, and what is said when something is wrong."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError
from connectors.sql_database import CONNECTOR
from connectors.sql_database.database import open_session
from connectors.sql_database.options import address, parse
from tests.connectors.sql_database.servers import HERE, PASSWORD, Server, Shop, found

ROWS = {"customer": 401, "old_log": 2, "order_line": 3000, "product": 203, "sales_order": 3000, "setting": 4}
_number = itertools.count()


@pytest.fixture
def shop(mariadb: Server, tmp_path: Path) -> Shop:
    """The shop in a database of its own, and a user who may read it."""
    database = f"shop{next(_number)}"
    secret = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    mariadb.run(
        f"CREATE DATABASE {database}; CREATE USER IF NOT EXISTS reader@'127.0.0.1' IDENTIFIED BY '{secret}';"
        f"GRANT SELECT ON {database}.* TO reader@'127.0.0.1';"
    )
    mariadb.run((HERE / "shop_mariadb.sql").read_text(), database)
    url = f"mysql://reader@127.0.0.1:{mariadb.port}/{database}"
    return Shop(tmp_path, {"url": url, "password": PASSWORD}, mariadb, database)


def test_all_tables_land_whole_and_a_second_load_writes_nothing(shop: Shop) -> None:
    first = shop.load()
    assert first.tables == ROWS
    assert {one.table: one.held_rows for one in first.counts} == ROWS
    before = shop.state()
    second = shop.load()
    assert (second.changed, [one.severity for one in second.findings]) == (False, ["info"])
    assert shop.state() == before


def test_types_keep_their_exactness(shop: Shop) -> None:
    shop.load()
    kinds = {name: kind for name, kind in shop.types("product").items() if name[0] != "_"}
    assert kinds == {
        "sku": "VARCHAR", "title": "VARCHAR", "weight": "DOUBLE", "rating": "DOUBLE", "price": "DECIMAL(38,4)",
        "big_number": "VARCHAR", "stock": "BIGINT", "flags": "BIGINT", "mask": "DECIMAL(20,0)", "kind": "VARCHAR",
        "tags": "VARCHAR", "details": "VARCHAR", "picture": "BLOB", "code": "VARCHAR", "address": "VARCHAR",
        "place": "VARCHAR", "year_made": "BIGINT", "opens": "TIME", "opens_text": "VARCHAR",
    }  # fmt: skip
    assert shop.sql("SELECT * EXCLUDE (opens_text, _is_deleted, _deleted_at, _loaded_at) FROM raw.product WHERE sku "
                    "= 'SKU-3'") == [
        ("SKU-3", "Thing 😀 3", 0.30000001192092896, 3**0.5, Decimal("0.0003"),
         "30000000000000000000000000000000000000000.0000000000", 3, 3, Decimal(18446744073709551612), "book",
             "new,sale",
         '{"a": 3.30}', b"\x00\xff\x10", "12345678-1234-1234-1234-123456789abc", "2001:db8::1", "POINT(3 -3)", 2024,
         dt.time(12, 30, 0, 500000)),
    ]  # fmt: skip
    assert shop.sql("SELECT sku, opens, opens_text, kind, year_made FROM raw.product WHERE sku NOT LIKE 'SKU%' "
                    "ORDER BY sku") == [
        ("before", None, "-00:00:01.000", "book", None), ("long", None, "838:59:59.000", "", 0),
        ("midnight", None, "24:00:00.000", None, None),
    ]  # fmt: skip


def test_zero_dates_big_keys_and_small_booleans(shop: Shop) -> None:
    shop.load()
    assert shop.types("customer")["id"] == "DECIMAL(20,0)"
    assert shop.sql("SELECT * EXCLUDE (_is_deleted, _deleted_at, _loaded_at) FROM raw.customer WHERE id IN (1, "
                    "18446744073709551615) ORDER BY id") == [
        (Decimal(1), "Kundin é 1", "k1@example.com", dt.date(1950, 1, 2), 1, Decimal("1.01"),
         dt.datetime(2024, 1, 1, 13, 0, 0, 1), dt.datetime(2026, 1, 1, 0, 1, 0, 500000, tzinfo=dt.UTC), None, None),
        (Decimal(18446744073709551615), "Last", None, None, 5, Decimal("-0.01"), None,
         dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "0000-00-00", "2024-02-00 10:00:00.000000"),
    ]  # fmt: skip
    assert shop.sql("SELECT line FROM raw.old_log WHERE id = 2") == [('it\'s \\ "quoted"',)]


def test_a_night_of_inserts_updates_deletes_and_a_new_column(shop: Shop) -> None:
    shop.options |= {"include": "*", "tables": {"sales_order": {"cursor": "updated_at", "lookback": "1 hour"}}}
    shop.load()
    shop.change(
        "SET sql_mode = ''; INSERT INTO sales_order VALUES (3001, 1, 5, '2026-03-01'); DELETE FROM sales_order "
        "WHERE id = 7;"
        "UPDATE sales_order SET total = 1, updated_at = '2026-03-01' WHERE id = 8; ALTER TABLE product ADD colour "
        "VARCHAR(9);"
        "UPDATE product SET colour = 'red' WHERE sku = 'SKU-1'; DELETE FROM customer WHERE id > 1000;"
        "UPDATE setting SET value = '20' WHERE name = 'vat'"
    )
    report = shop.load()
    assert report.tables == {"customer": 1, "product": 1, "sales_order": 3, "setting": 4}
    assert found(report, "column_added") == ["product.colour (varchar(9)) is new."]
    assert [one.difference for one in report.counts] == [0] * 6
    assert shop.sql("SELECT id, total, _is_deleted FROM raw.sales_order WHERE id IN (7, 8, 3001) ORDER BY id") == [
        (7, Decimal("2.59"), True), (8, Decimal("1.00"), False), (3001, Decimal("5.00"), False),
    ]  # fmt: skip
    before = shop.state()
    assert shop.load().changed is False
    assert shop.state() == before


def test_increments_read_what_changed_since_with_the_look_back(shop: Shop, asked: list[str]) -> None:
    shop.options["tables"] = {
        "customer": {"cursor": "updated_at", "lookback": "1 hour"},
        "sales_order": {"cursor": "id"},
    }
    shop.load()
    asked.clear()
    assert shop.load().changed is False
    assert asked == [
        "\"updated_at\" >= '2026-01-01 23:00:00.000000' OR \"updated_at\" IS NULL", "keys",
        '"id" >= 2000 OR "id" IS NULL', "keys",
    ]  # fmt: skip


def test_all_tables_are_of_one_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import extract

    shop.options["ignore"] = "old_log"
    stage, seen = extract._stage, []

    def change_between(*given: Any) -> None:
        stage(*given)
        if not seen:
            shop.change("INSERT INTO setting VALUES ('late', 'x'); DELETE FROM order_line WHERE order_id = 5")
        seen.append(given)

    monkeypatch.setattr(extract, "_stage", change_between)
    report = shop.load()
    assert report.tables == {name: rows for name, rows in ROWS.items() if name != "old_log"}
    assert shop.sql("SELECT count(*) FROM raw.setting WHERE name = 'late'") == [(0,)]


def test_nothing_can_be_written_through_a_session(shop: Shop) -> None:
    shop.server.run(f"GRANT DELETE ON {shop.database}.* TO reader@'127.0.0.1';")  # type: ignore[union-attr]
    with (
        pytest.raises(ConnectorError, match="READ ONLY transaction"),
        open_session(address(shop.source, parse(shop.source)), None) as session,
    ):
        session.ask("DELETE FROM setting")  # type: ignore[attr-defined]


def test_an_engine_without_transactions_is_told(shop: Shop) -> None:
    assert "old_log: its engine MyISAM knows no transactions" in "".join(found(shop.load(), "note"))


def test_views_are_read_when_named(shop: Shop) -> None:
    shop.options["tables"] = {"big_order": {"key": "id"}}
    assert shop.load().tables == {"big_order": 298}


def test_a_server_that_goes_away_leaves_everything_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import extract

    shop.load()
    before = shop.dump()
    shop.change("DELETE FROM setting WHERE name = 'vat'; UPDATE sales_order SET total = 2")
    stage = extract._stage

    def then_cut(*given: Any) -> None:
        stage(*given)
        shop.change("SELECT CONCAT('KILL ', id, ';') INTO @kill FROM information_schema.processlist WHERE user = "
                    "'reader';"
                    "EXECUTE IMMEDIATE @kill")  # fmt: skip

    with monkeypatch.context() as patch:
        patch.setattr(extract, "_stage", then_cut)
        with pytest.raises(
            ConnectorError, match=r"Source 'shop': shop\d+ on 127.0.0.1:\d+: MySQL failed: .*Nothing of"
        ):
            shop.load()
    assert shop.dump() == before
    assert shop.load().tables == {"sales_order": 3000, "setting": 3}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "wrong"}, "the server refuses the user reader with this password; correct the user in url or "
                                "the "),
        ({"url": "mysql://reader@127.0.0.1:1/x"}, "no server answers on 127.0.0.1:1; correct host and port in url"),
        ({"url": "mysql://reader@no-such-host.invalid/x"}, "the host no-such-host.invalid is not known; correct it"),
        ({"url": "mysql://reader@127.0.0.1:{port}/nowhere"}, "GRANT SELECT ON nowhere.* TO 'reader'@'%';"),
        ({"url": "mysql://reader@127.0.0.1:{port}/x?ssl_mode=REQUIRED"}, "do not agree on encryption; set ssl_mode"),
        ({"url": "mysql://reader@127.0.0.1:{port}/x?sslmode=require"}, "url may have ssl_mode (DISABLED, PREFERRED"),
        ({"tables": {"nothing": {}}}, "no table nothing that this user can see; correct its name in millpond.toml or"),
    ],
)  # fmt: skip
def test_connect_names_what_is_wrong(shop: Shop, change: dict[str, Any], sentence: str) -> None:
    assert shop.server is not None
    shop.options |= change
    shop.options["url"] = shop.options["url"].replace("{port}", str(shop.server.port))
    told = CONNECTOR.connect(shop.source)  # type: ignore[misc]
    assert any(sentence in one for one in told), told
    assert PASSWORD not in "".join(told)


def test_connect_is_content_with_a_sound_source(shop: Shop) -> None:
    assert CONNECTOR.connect(shop.source) == []  # type: ignore[misc]


def test_missing_rights_are_named_with_their_grant(shop: Shop) -> None:
    shop.server.run(  # type: ignore[union-attr]
        f"CREATE OR REPLACE USER guest@'127.0.0.1' IDENTIFIED BY 'guest'; GRANT SELECT ON {shop.database}.setting TO "
        f"guest@'127.0.0.1'; GRANT INSERT ON {shop.database}.customer TO guest@'127.0.0.1';"
    )
    shop.options = {"url": shop.options["url"].replace("reader@", "guest:guest@")}
    (told,) = CONNECTOR.connect(shop.source)  # type: ignore[misc]
    assert told.endswith(
        f"the user may not read customer; let an administrator run: GRANT SELECT ON {shop.database}.customer TO "
        f"'guest'@'%';"
    )
    assert shop.load().tables == {"setting": 4}


def test_encryption_is_as_the_url_says(mariadb_with_tls: Server, tmp_path: Path) -> None:
    server = mariadb_with_tls
    server.run("CREATE DATABASE shop; CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader' REQUIRE SSL; GRANT "
               "SELECT ON shop.* TO reader@'127.0.0.1';")  # fmt: skip
    server.run("CREATE TABLE setting (name INT PRIMARY KEY)", "shop")
    shutil.copy(server.certificate, tmp_path / "ours.pem")
    url = f"mysql://reader:reader@127.0.0.1:{server.port}/shop"
    for query in (
        "",
        "?ssl_mode=REQUIRED",
        "?ssl_mode=VERIFY_CA&ssl_ca=ours.pem",
        "?ssl_mode=VERIFY_IDENTITY&ssl_ca=ours.pem",
    ):
        assert CONNECTOR.connect(Shop(tmp_path, {"url": url + query}).source) == [], query  # type: ignore[misc]
    (told,) = CONNECTOR.connect(Shop(tmp_path, {"url": f"{url}?ssl_mode=VERIFY_CA"}).source)  # type: ignore[misc]
    assert "set ssl_mode and ssl_ca in url" in told
    assert CONNECTOR.connect(Shop(tmp_path, {"url": f"{url}?ssl_mode=DISABLED"}).source) != []  # type: ignore[misc]
