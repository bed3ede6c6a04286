"""A real PostgreSQL through the connector: what lands, what nights change, and what is said when something is wrong."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError, SourceCount
from connectors.sql_database import CONNECTOR
from connectors.sql_database.database import open_session
from connectors.sql_database.options import address, parse
from tests.connectors.sql_database.servers import HERE, PASSWORD, Server, Shop, found

NIGHT_2 = (HERE / "shop_postgresql_night.sql").read_text()
ROWS = {
    "address": 300, "customer": 400, "document": 3, "order_line": 6000, "payment": 1000, "price_list": 201,
    "product": 202, "sales_order": 3000, "setting": 4, "web_session": 2,
}  # fmt: skip
_number = itertools.count()


@pytest.fixture
def empty(postgresql: Server, tmp_path: Path) -> Shop:
    """A database of its own without a table."""
    return _database(postgresql, tmp_path, "template1")


@pytest.fixture(scope="module")
def pattern(postgresql: Server) -> str:
    """A database with the ten-table shop, to be copied."""
    postgresql.run("CREATE DATABASE pattern", "postgres")
    postgresql.run((HERE / "shop_postgresql.sql").read_text(), "pattern")
    return "pattern"


@pytest.fixture
def shop(postgresql: Server, tmp_path: Path, pattern: str) -> Shop:
    """The ten-table shop in a database of its own."""
    return _database(postgresql, tmp_path, pattern)


def _database(server: Server, root: Path, template: str) -> Shop:
    database = f"shop{next(_number)}"
    server.run(f"CREATE DATABASE {database} TEMPLATE {template}", "postgres")
    url = f"postgresql://owner@127.0.0.1:{server.port}/{database}"
    return Shop(root, {"url": url, "password": PASSWORD}, server, database)


def test_ten_tables_land_whole_and_a_second_load_writes_nothing(shop: Shop) -> None:
    first = shop.load()
    assert first.tables == ROWS
    assert [(one.table, one.source_rows, one.held_rows) for one in first.counts] == [(t, n, n) for t, n in ROWS.items()]
    before = shop.state()
    second = shop.load()
    assert (second.changed, second.tables, second.findings) == (False, {}, [])
    assert shop.state() == before
    assert [one.difference for one in second.counts] == [0] * 10


def test_every_value_of_a_table_is_the_servers(shop: Shop) -> None:
    shop.load()
    theirs = shop.change(
        "SET timezone = 'UTC'; SET extra_float_digits = 1; COPY (SELECT id, \"Full Name\", mail, born, newsletter, "
        "to_json(tags), profile, country, credit, to_char(since, 'YYYY-MM-DD HH24:MI:SS.US') FROM customer ORDER BY "
        "id) "
        "TO STDOUT WITH (FORMAT csv, DELIMITER '|', QUOTE '~')"
    )
    ours = shop.sql(
        "SELECT concat_ws('|', id, full_name, mail, born, if(newsletter, 't', 'f'), tags, profile, country, credit, "
        "strftime(since, '%Y-%m-%d %H:%M:%S.%f')) FROM raw.customer ORDER BY id"
    )
    assert [row[0] for row in ours] == theirs.splitlines()
    theirs = shop.change(
        "SET timezone = 'UTC'; SELECT id || '|' || state || '|' || total || '|' || "
        "to_char(placed_at, 'YYYY-MM-DD HH24:MI:SS.US') FROM sales_order WHERE id > 9 ORDER BY id"
    )
    ours = shop.sql(
        "SELECT concat_ws('|', id, state, total, strftime(placed_at, '%Y-%m-%d %H:%M:%S.%f')) FROM raw.sales_order "
        "WHERE id > 9 ORDER BY id"
    )
    assert [row[0] for row in ours] == theirs.splitlines()


def test_types_keep_their_exactness(shop: Shop) -> None:
    shop.load()
    assert shop.types("product") == {
        "sku": "VARCHAR", "title": "VARCHAR", "price": "DECIMAL(12,2)", "weight_kg": "DOUBLE", "rating": "DOUBLE",
        "measures": "VARCHAR", "words": "VARCHAR", "stock": "BIGINT", "big_number": "VARCHAR", "any_number": "VARCHAR",
        "tenths": "DECIMAL(5,5)", "hundreds": "DECIMAL(7,0)", "price_text": "VARCHAR", "_is_deleted": "BOOLEAN",
        "_deleted_at": "TIMESTAMP WITH TIME ZONE", "_loaded_at": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    assert shop.sql(
        "SELECT price, measures, words, big_number, any_number, tenths, hundreds FROM raw.product WHERE sku = "
        "'SKU-00003'"
    ) == [
        (Decimal("2.97"), '{"width":3.0,"height":3.5}', "'3':2 'thing':1", "3000000000000000000000000000000.00",
         "0.42857142857142857143", Decimal("0.00123"), Decimal(12300)),
    ]  # fmt: skip
    assert shop.sql(
        "SELECT price, price_text, rating::VARCHAR, any_number, big_number FROM raw.product WHERE sku > 'SKU-A' "
        "ORDER BY sku"
    ) == [
        (None, None, "-inf", "-Infinity", "12345678901234567890123456789012345678.90"),
        (None, "NaN", "nan", "Infinity", "NaN"),
    ]
    assert shop.sql(
        "SELECT address, network, device, stayed, opened, opened_text, closed, flags, marks, pages FROM "
        "raw.web_session "
        "ORDER BY id"
    ) == [
        ("10.1.2.3/24", "10.1.2.0/24", "08:00:2b:01:02:03", "P1Y2M3DT4H5M6.7S", dt.time(23, 59, 59, 999999), None,
         "12:00:00+02", "1010", "1", "<p>x</p>"),
        ("2001:db8::1", None, None, "P-1D", None, "24:00:00", None, None, None, None),
    ]  # fmt: skip
    assert shop.sql("SELECT name, content, note FROM raw.document ORDER BY id") == [
        ("empty", b"", ""), ("bytes", b"\x00\xff\x10", "a\tb\nc\\d"), (None, None, None),
    ]  # fmt: skip
    assert shop.sql("SELECT amount, fee, answer FROM raw.payment WHERE id = 1000") == [
        ("370.00", "1.000", '{"a" : 1.10}')
    ]
    assert shop.sql("SELECT lines, position, valid FROM raw.address WHERE id = 1") == [
        ('["Street 1","Floor 1"]', "(1,-1)", "[2024-01-01,)")
    ]
    assert shop.sql("SELECT name, value FROM raw.setting ORDER BY ALL") == [
        ("currency", "EUR"), ("currency", "EUR"), ("vat", "19"), (None, None),
    ]  # fmt: skip


def test_times_that_no_calendar_here_has_land_as_text(shop: Shop) -> None:
    report = shop.load()
    assert shop.sql(
        "SELECT id, placed_at, placed_at_text, promised_on, promised_on_text FROM raw.sales_order "
        "WHERE placed_at_text IS NOT NULL OR promised_on_text IS NOT NULL ORDER BY id"
    ) == [
        (7, dt.datetime(2025, 1, 1, 12, 49, 21, 7, tzinfo=dt.UTC), None, None, "infinity"),
        (8, None, "-infinity", dt.datetime(2025, 1, 5, 8), None),
        (9, None, "0001-01-01 00:00:00+00 BC", dt.datetime(2025, 1, 5, 9), None),
    ]
    assert shop.sql("SELECT DISTINCT valid_to, valid_to_text FROM raw.price_list ORDER BY ALL") == [
        (None, "5874897-12-31"), (None, "infinity"),
    ]  # fmt: skip
    assert any("sales_order.placed_at: 2 values do not fit" in one for one in found(report, "note"))


def test_a_key_with_an_infinite_date_is_told_and_compared_as_a_whole(shop: Shop) -> None:
    shop.options["include"] = ["price_list"]
    shop.change("INSERT INTO price_list VALUES ('SKU-INF', '-infinity', '2025-01-01', 2)")
    report = shop.load()
    assert any("price_list: 1 rows have no value in the key" in one for one in found(report, "note"))
    assert shop.sql("SELECT valid_from, valid_from_text, price FROM raw.price_list WHERE sku = 'SKU-INF'") == [
        (None, "-infinity", Decimal("2.00"))
    ]
    assert shop.load().changed is False
    shop.change("UPDATE price_list SET valid_from = '2020-01-01' WHERE sku = 'SKU-INF'")
    shop.load()
    assert shop.sql("SELECT count(*), count(DISTINCT (sku, valid_from)) FROM raw.price_list") == [(202, 202)]
    shop.change("DELETE FROM price_list WHERE sku = 'SKU-INF'")
    shop.load()
    assert shop.sql("SELECT sku, _is_deleted FROM raw.price_list WHERE sku = 'SKU-INF'") == [("SKU-INF", True)]


def test_a_night_of_inserts_updates_deletes_and_a_new_column(shop: Shop) -> None:
    shop.load()
    before = shop.dump()
    loaded = dict(shop.sql("SELECT id, _loaded_at FROM raw.sales_order"))
    shop.change(NIGHT_2)
    report = shop.load()
    assert report.tables == {
        "address": 3, "customer": 400, "document": 1, "order_line": 14, "payment": 2, "sales_order": 12, "setting": 3,
    }  # fmt: skip
    assert found(report, "column_added") == ["customer.loyalty (integer) is new."]
    assert [one.difference for one in report.counts] == [0] * 10
    assert shop.sql("SELECT id, state, total, _is_deleted FROM raw.sales_order WHERE id IN (5, 100, 3001, 2999) "
                    "ORDER BY id") == [
        (5, "shipped", Decimal("999.99"), False), (100, "cancelled", Decimal("37.00"), False),
        (2999, "cancelled", Decimal("1109.63"), True), (3001, "new", Decimal("12.50"), False),
    ]  # fmt: skip
    deleted = shop.sql("SELECT id, _deleted_at IS NOT NULL FROM raw.sales_order WHERE _is_deleted ORDER BY id")
    assert deleted == [(2999, True), (3000, True)]
    touched = shop.sql("SELECT id, _loaded_at FROM raw.sales_order")
    assert sorted(id for id, at in touched if loaded.get(id) != at) == [5, *range(96, 104), 2999, 3000, 3001]
    assert shop.sql("SELECT DISTINCT loyalty FROM raw.customer WHERE NOT _is_deleted ORDER BY 1") == [(1,), (7,)]
    assert shop.sql("SELECT name, value FROM raw.setting ORDER BY ALL") == [
        ("currency", "EUR"), ("currency", "USD"), ("vat", "20"),
    ]  # fmt: skip
    after = shop.dump()
    assert {table for table in ROWS if before[table] == after[table]} == {"price_list", "product", "web_session"}
    state = shop.state()
    third = shop.load()
    assert (third.changed, third.findings) == (False, [])
    assert shop.state() == state


def test_a_row_that_returns_is_no_longer_deleted(shop: Shop) -> None:
    shop.options["include"] = ["document"]
    shop.load()
    shop.change("CREATE TABLE kept AS SELECT * FROM document WHERE id = 2; DELETE FROM document WHERE id = 2")
    shop.load()
    assert shop.sql("SELECT name, _is_deleted FROM raw.document WHERE id = 2") == [("bytes", True)]
    shop.change("INSERT INTO document SELECT * FROM kept")
    assert shop.load().tables == {"document": 1}
    assert shop.sql("SELECT name, _is_deleted, _deleted_at FROM raw.document WHERE id = 2") == [("bytes", False, None)]


def test_increments_read_what_changed_since_with_the_look_back(shop: Shop, asked: list[str]) -> None:
    shop.options["tables"] = {"sales_order": {"cursor": "updated_at", "lookback": "10 minutes"}}
    assert shop.load().tables == {"sales_order": 3000}
    asked.clear()
    assert shop.load().changed is False
    assert asked == [
        '"updated_at" >= \'2026-02-01T00:40:00+00:00\' OR "updated_at" IS NULL',  # 3000 s after midnight, less 10 min
        "keys",
    ]
    shop.change(
        "UPDATE sales_order SET total = 1, updated_at = '2026-02-01 00:45+00' WHERE id = 3;"  # late
        "INSERT INTO sales_order SELECT 4000, customer_id, state, 5, placed_at, NULL, '2026-02-02' FROM sales_order "
        "WHERE id = 1;"
        "DELETE FROM order_line WHERE order_id = 20; DELETE FROM sales_order WHERE id = 20"
    )
    assert shop.load().tables == {"sales_order": 3}
    assert shop.sql("SELECT id, total, _is_deleted FROM raw.sales_order WHERE id IN (3, 20, 4000) ORDER BY id") == [
        (3, Decimal("1.00"), False), (20, Decimal("7.40"), True), (4000, Decimal("5.00"), False),
    ]  # fmt: skip
    assert shop.sql("SELECT high FROM raw._table") == [("2026-02-02 00:00:00+00",)]


def test_rows_that_the_cursor_did_not_show_are_found_by_the_sweep(shop: Shop) -> None:
    shop.options["tables"] = {"sales_order": {"cursor": "updated_at", "lookback": "1 minute"}}
    shop.load()
    shop.change(
        "INSERT INTO sales_order SELECT 4000, customer_id, state, 5, placed_at, NULL, '2020-01-01' FROM sales_order "
        "WHERE id = 1"
    )
    report = shop.load()
    assert report.tables == {"sales_order": 1}
    assert found(report, "note")[0] == "sales_order has rows that its cursor did not show, so it was read as a whole."
    assert [one.difference for one in report.counts] == [0]


def test_a_cursor_in_the_future_does_not_hide_what_comes(shop: Shop) -> None:
    shop.options["tables"] = {"sales_order": {"cursor": "updated_at"}}
    shop.change(
        "UPDATE sales_order SET updated_at = '9999-01-01' WHERE id = 1; UPDATE sales_order SET updated_at = "
        "'infinity' WHERE id = 2"
    )
    shop.load()
    shop.change("UPDATE sales_order SET total = 1, updated_at = now() WHERE id = 3")
    assert shop.load().tables == {"sales_order": 1}


def test_numbers_can_be_cursors(shop: Shop, asked: list[str]) -> None:
    shop.options["tables"] = {"payment": {"cursor": "id", "lookback": 10}}
    shop.load()
    asked.clear()
    shop.change("INSERT INTO payment (order_id, amount) VALUES (1, 5)")
    assert shop.load().tables == {"payment": 1}
    assert asked == ['"id" >= 990 OR "id" IS NULL', "keys"]


def test_a_new_column_has_an_increment_read_the_whole_table(shop: Shop) -> None:
    shop.options["tables"] = {"sales_order": {"cursor": "updated_at", "lookback": "1 minute"}}
    shop.load()
    shop.change("ALTER TABLE sales_order ADD channel text NOT NULL DEFAULT 'web'")
    report = shop.load()
    assert shop.sql("SELECT DISTINCT channel FROM raw.sales_order") == [("web",)]
    assert found(report, "column_added") == ["sales_order.channel (text) is new."]


def test_a_new_column_without_values_is_there_all_the_same(shop: Shop) -> None:
    shop.options["include"] = ["document"]
    shop.load()
    shop.change("ALTER TABLE document ADD hint text")
    shop.load()
    assert shop.types("document")["hint"] == "VARCHAR"


def test_deletes_can_be_left_alone(shop: Shop) -> None:
    shop.options |= {"deletes": "keep", "include": "*", "tables": {"sales_order": {"cursor": "updated_at"}}}
    shop.load()
    shop.change("DELETE FROM document WHERE id = 1; DELETE FROM order_line; DELETE FROM sales_order")
    report = shop.load()
    assert report.changed is False
    assert [one.table for one in report.counts] == ["setting"]


def test_a_dropped_column_keeps_what_it_held(shop: Shop) -> None:
    shop.options["include"] = ["document"]
    shop.load()
    shop.change("ALTER TABLE document DROP note; UPDATE document SET name = 'new' WHERE id = 2")
    report = shop.load()
    assert found(report, "column_dropped") == ["document.note is no longer read; what it held stays."]
    assert shop.sql("SELECT name, note FROM raw.document WHERE id = 2") == [("new", "a\tb\nc\\d")]
    assert shop.load().findings == []
    assert shop.sql("SELECT table_name, column_name, change FROM raw._drift") == [("document", "note", "dropped")]


def test_a_retyped_column_keeps_what_fits_and_puts_the_rest_beside(shop: Shop) -> None:
    shop.options["include"] = ["order_line"]
    shop.load()
    shop.change(
        "ALTER TABLE order_line ALTER quantity TYPE numeric(8,2) USING quantity + CASE line WHEN 1 THEN 0 ELSE 0.5 "
        "END".replace("ALTER TABLE", "ALTER TABLE order_line DROP COLUMN amount; ALTER TABLE", 1)
    )
    report = shop.load()
    assert found(report, "column_type") == ["order_line.quantity was integer and is numeric(8,2) now."]
    assert shop.types("order_line")["quantity"] == "BIGINT"
    assert shop.sql("SELECT line, quantity, quantity_text, count(*) FROM raw.order_line GROUP BY ALL ORDER BY ALL") == [
        (1, 1, None, 3000), (2, None, "2.50", 3000),
    ]  # fmt: skip
    assert shop.load().changed is False


def test_a_table_without_a_key_is_replaced_when_it_differs(shop: Shop) -> None:
    shop.options["include"] = ["setting"]
    shop.load()
    shop.change("DELETE FROM setting WHERE name IS NULL; UPDATE setting SET value = '20' WHERE name = 'vat'")
    assert shop.load().tables == {"setting": 3}
    assert shop.sql("SELECT name, value, _is_deleted FROM raw.setting ORDER BY ALL") == [
        ("currency", "EUR", False), ("currency", "EUR", False), ("vat", "20", False),
    ]  # fmt: skip
    shop.change(
        "UPDATE setting SET name = 'vat', value = '20' WHERE ctid = (SELECT min(ctid) FROM setting WHERE name > 'a')"
    )
    assert shop.load().changed is True  # as many rows, and the same values, but not as often
    shop.change("DELETE FROM setting")
    shop.load()
    assert shop.sql("SELECT count(*) FROM raw.setting") == [(0,)]


def test_a_key_that_comes_later_or_changes(shop: Shop) -> None:
    shop.options["include"] = ["document", "setting"]
    shop.load()
    shop.change(
        "ALTER TABLE setting ADD id serial PRIMARY KEY; ALTER TABLE document DROP CONSTRAINT document_pkey; DELETE "
        "FROM document WHERE id = 3"
    )
    shop.load()
    shop.change(
        "ALTER TABLE document ALTER name SET NOT NULL, ADD PRIMARY KEY (name); DELETE FROM setting WHERE id = 1"
    )
    shop.load()
    shop.change("UPDATE document SET id = id + 100; UPDATE setting SET value = 'x' WHERE id = 2")
    report = shop.load()
    assert report.tables == {"document": 2, "setting": 1}
    assert shop.sql("SELECT name, id, _is_deleted FROM raw.document ORDER BY 1") == [
        ("bytes", 102, False),
        ("empty", 101, False),
    ]
    assert shop.sql("SELECT id, value, _is_deleted FROM raw.setting ORDER BY 1") == [
        (1, "EUR", True), (2, "x", False), (3, "19", False), (4, None, False),
    ]  # fmt: skip


def test_a_table_that_lost_most_rows_stops_the_load_until_accepted(shop: Shop) -> None:
    shop.options["include"] = ["document", "payment"]
    shop.load()
    before = shop.dump()
    shop.change("DELETE FROM payment WHERE id > 400; UPDATE document SET name = 'new'")
    with pytest.raises(ConnectorError) as told:
        shop.load()
    assert "payment (from 1000 to 400 rows)" in str(told.value)
    assert "sources.shop.accept_shrink" in str(told.value)
    assert shop.dump() == before
    shop.options["accept_shrink"] = ["payment"]
    assert shop.load().tables == {"document": 3, "payment": 600}


def test_a_dropped_table_keeps_its_rows_and_is_told_once(shop: Shop) -> None:
    shop.options["include"] = ["document", "paper"]
    shop.load()
    shop.change("ALTER TABLE document RENAME TO paper")
    report = shop.load()
    (told,) = found(report, "missing_table")
    assert "no table document" in told
    assert "The rows read before stay." in told
    assert report.tables == {"paper": 3}
    assert shop.sql("SELECT count(*) FROM raw.document WHERE NOT _is_deleted") == [(3,)]
    assert shop.load().findings == []
    shop.change("ALTER TABLE paper RENAME TO document")
    assert found(shop.load(), "missing_table")[0].startswith("Source 'shop': the database has no table paper")


def test_names_that_would_be_the_same_here_stay_apart(empty: Shop) -> None:
    empty.change(
        'CREATE TABLE "Item" ("A b" int PRIMARY KEY, "_is_deleted" text); INSERT INTO "Item" VALUES (1, \'x\')'
    )
    empty.load()
    empty.change(
        'CREATE TABLE item (a int PRIMARY KEY); ALTER TABLE "Item" ADD "a_B" text; INSERT INTO item VALUES (2)'
    )
    empty.load()
    assert empty.sql("SELECT a_b, is_deleted, a_b_2, _is_deleted FROM raw.item") == [(1, "x", None, False)]
    assert empty.sql("SELECT a FROM raw.item_2") == [(2,)]


def test_partitions_views_and_foreign_schemas(empty: Shop) -> None:
    empty.change(
        "CREATE TABLE event (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
        "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "INSERT INTO event VALUES (1, '2024-05-05'); CREATE VIEW seen AS SELECT id FROM event;"
        "CREATE SCHEMA other; CREATE TABLE other.thing (id int PRIMARY KEY)"
    )
    assert empty.load().tables == {"event": 1}
    empty.options["tables"] = {"seen": {"key": "id"}}
    assert empty.load().tables == {"seen": 1}
    empty.options |= {"schema": "other", "tables": {}}
    assert empty.load().tables == {"thing": 0}
    assert list(empty.types("thing")) == ["id", "_is_deleted", "_deleted_at", "_loaded_at"]


def test_an_empty_schema_is_an_error(empty: Shop) -> None:
    with pytest.raises(
        ConnectorError, match="Source 'shop': there is no table that this user may read; correct schema"
    ):
        empty.load()


def test_all_tables_are_of_one_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import extract

    stage, seen = extract._stage, []

    def change_between(*given: Any) -> None:
        stage(*given)
        if not seen:
            shop.change(
                "INSERT INTO setting VALUES ('late', 'x'); DELETE FROM payment WHERE id = 5; ALTER TABLE "
                "web_session DROP pages"
            )
        seen.append(given)

    monkeypatch.setattr(extract, "_stage", change_between)
    report = shop.load()
    assert report.tables == {**ROWS}
    assert all(one.difference == 0 for one in report.counts)


def test_a_load_cut_off_anywhere_is_healed_by_the_next(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import ledger

    shop.load()
    shop.change(NIGHT_2)

    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", killed)  # the rows are in, the bookkeeping is not
        with pytest.raises(KeyboardInterrupt):
            shop.load()
    assert shop.load().changed is True
    assert shop.load().changed is False
    healed = shop.live()
    shop.raw_file.unlink()
    shop.load()
    assert shop.live() == healed


def test_a_server_that_goes_away_leaves_everything_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sql_database import extract

    shop.load()
    before = shop.dump()
    shop.change(NIGHT_2)
    stage = extract._stage

    def then_cut(*given: Any) -> None:
        stage(*given)
        shop.server.run(  # type: ignore[union-attr]
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millpond'", "postgres"
        )

    with monkeypatch.context() as patch:
        patch.setattr(extract, "_stage", then_cut)
        with pytest.raises(
            ConnectorError, match=r"Source 'shop': shop\d+ on 127.0.0.1:\d+: PostgreSQL failed: .*Nothing of"
        ):
            shop.load()
    assert shop.dump() == before
    assert shop.load().changed is True


def test_nothing_can_be_written_through_a_session(shop: Shop) -> None:
    with (
        pytest.raises(ConnectorError, match="read-only transaction"),
        open_session(address(shop.source, parse(shop.source)), None) as session,
    ):
        session.run("DELETE FROM document")  # type: ignore[attr-defined]


def test_columns_can_be_left_at_the_source(shop: Shop) -> None:
    shop.options["tables"] = {"customer": {"exclude": ["mail", "born*"]}, "document": {"columns": ["id", "name"]}}
    shop.load()
    assert {"mail", "born"} & set(shop.types("customer")) == set()
    assert [one for one in shop.types("document") if one[0] != "_"] == ["id", "name"]


def test_discover_says_what_lands(shop: Shop) -> None:
    found_columns = CONNECTOR.discover(shop.source)
    shop.load()
    for table in ("customer", "document", "payment", "setting"):
        assert found_columns[table] == shop.types(table)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "wrong"}, "the server refuses the user owner with this password; correct the user in url or "
                                "the "),
        ({"url": "postgresql://owner@127.0.0.1:1/x"}, "no server answers on 127.0.0.1:1; correct host and port in url"),
        ({"url": "postgresql://owner@no-such-host.invalid/x"}, "the host no-such-host.invalid is not known; correct "
                                                               "it"),
        ({"url": "postgresql://owner@127.0.0.1:{port}/nowhere"}, "it has no database nowhere"),
        ({"url": "postgresql://owner@127.0.0.1:{port}/x?sslmode=verify-full"}, "certificate cannot be trusted; set "
                                                                               "sslroot"),
        ({"schema": "nothing"}, "there is no table that this user may read; correct schema or tables in millpond.toml"),
        ({"tables": {"nothing": {}}}, "no table nothing that this user can see; correct its name in millpond.toml or"),
        ({"tables": {"customer": {"cursor": "changed"}}}, "customer.cursor: customer has no column changed that is "
                                                          "read"),
        ({"tables": {"customer": {"cursor": "mail"}}}, "customer.cursor: mail is of type email; a cursor is a time, a"),
        ({"tables": {"payment": {"cursor": "id", "lookback": "1 day"}}}, "lookback: id is of type bigint; give a "),
        ({"tables": {"setting": {"cursor": "name"}}}, "setting has no primary key, so its increments cannot be merged"),
    ],
)  # fmt: skip
def test_connect_names_what_is_wrong(shop: Shop, change: dict[str, Any], sentence: str) -> None:
    assert shop.server is not None
    shop.options |= change
    shop.options["url"] = shop.options["url"].replace("{port}", str(shop.server.port))
    told = CONNECTOR.connect(shop.source)  # type: ignore[misc]
    assert any(sentence in one for one in told), told
    assert all(one.startswith(("Source 'shop': ", "millpond.toml: ")) for one in told)
    assert PASSWORD not in "".join(told)
    with pytest.raises(ConnectorError) as raised:
        shop.load()
    assert PASSWORD not in str(raised.value)


def test_connect_is_content_with_a_sound_source(shop: Shop) -> None:
    assert CONNECTOR.connect(shop.source) == []  # type: ignore[misc]


def test_missing_rights_are_named_with_their_grant(shop: Shop) -> None:
    shop.change(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON document, setting "
        "TO reader;"
        "GRANT SELECT (id, kind) ON address TO reader"
    )
    shop.options["url"] = shop.options["url"].replace("owner@", "reader:reader@")
    del shop.options["password"]
    shop.options |= {"include": ["document", "payment", "address"]}
    (told,) = CONNECTOR.connect(shop.source)  # type: ignore[misc]
    assert told.endswith("GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON public.payment TO reader;")
    report = shop.load()
    assert report.tables == {"address": 300, "document": 3}
    assert "GRANT SELECT ON public.payment TO reader;" in found(report, "missing_table")[0]
    assert "GRANT SELECT (customer_id, lines, position, valid) ON public.address TO reader;" in found(report, "note")[0]
    shop.change("DROP OWNED BY reader; DROP ROLE reader")


def test_row_level_security_is_told(shop: Shop) -> None:
    shop.change(
        "DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN PASSWORD 'tenant'; GRANT SELECT ON document TO tenant;"
        "ALTER TABLE document ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON document USING (id = 1)"
    )
    shop.options |= {"url": shop.options["url"].replace("owner@", "tenant:tenant@"), "include": "document"}
    del shop.options["password"]
    report = shop.load()
    assert report.tables == {"document": 1}
    assert found(report, "note") == [
        "document: row-level security is on; only the rows that its policies show are read."
    ]
    shop.change("DROP POLICY one ON document; DROP OWNED BY tenant; DROP ROLE tenant")


def test_a_server_that_knows_no_encoding_sends_bytes(postgresql: Server, empty: Shop) -> None:
    postgresql.run("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0", "postgres")
    postgresql.run(
        r"CREATE TABLE note (id int PRIMARY KEY, text text); INSERT INTO note VALUES (1, E'caf\xe9'), (2, "
        r"E'caf\xc3\xa9')",
        "bytes",
    )
    empty.options["url"] = empty.options["url"].rpartition("/")[0] + "/bytes"
    empty.load()
    assert empty.sql("SELECT text FROM raw.note ORDER BY id") == [("caf\\xe9",), ("café",)]
    assert empty.load().changed is False


def test_counts_are_of_rows_held(shop: Shop) -> None:
    shop.options["include"] = "document"
    shop.load()
    shop.change("DELETE FROM document WHERE id = 1")
    assert shop.load().counts == [
        SourceCount(table="document", source_rows=2, held_rows=2, how="count(*) in the same snapshot")
    ]


def test_encryption_is_as_the_url_says(shop: Shop) -> None:
    assert shop.server is not None
    shop.change("SELECT 1")
    shutil.copy(shop.server.certificate, shop.root / "ours.pem")
    url = shop.options["url"]
    for query in ("?sslmode=disable", "?sslmode=require", "?sslmode=verify-full&sslrootcert=ours.pem"):
        shop.options["url"] = url + query
        assert CONNECTOR.connect(shop.source) == [], query  # type: ignore[misc]
