"""Whatever rows a source has, cleaning them into the build database loses none, and doing it again changes none."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import TEXT, spoilt
from tests.fuzz.properties import often, reconciled
from tests.transforms.test_clean_load import CONTEXT, NIGHT, PAYMENT
from transforms.clean.load import CleanReport, clean_source

MAPPING = """
SELECT id AS source_id, amount, method, 'succeeded' AS status, currency, paid AS paid_at, changed AS source_updated_at
FROM raw.payments
"""
RAW = (
    "id VARCHAR, amount VARCHAR, method VARCHAR, currency VARCHAR, paid VARCHAR, changed VARCHAR, note VARCHAR, "
    "_file VARCHAR, _row BIGINT, _loaded_at TIMESTAMPTZ"
)
Row = tuple[Any, ...]

#: Few ids, files and times, so that many rows are versions of one record.
ROWS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["1", " 1", "1 ", "2", "a", "A", "n/a", "", None, "é", "e\u0301"]), TEXT),
        st.one_of(st.sampled_from(["1", "1.00", "2"]), spoilt("money")),
        st.one_of(st.just("card"), TEXT),
        st.one_of(st.sampled_from(["EUR", "USD", None]), spoilt("currency")),
        st.one_of(st.none(), spoilt("timestamp")),
        st.one_of(st.sampled_from(["2024-01-01", "2024-01-02", None]), spoilt("timestamp")),
        st.one_of(st.none(), TEXT),
        st.sampled_from(["a.csv", "b.csv", None]),
        st.integers(2, 5),
        st.sampled_from([NIGHT, NIGHT + timedelta(days=1)]),
    ),
    min_size=1,
    max_size=8,
)


def land(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    con.execute(f"CREATE OR REPLACE TABLE raw_shop.raw.payments ({RAW})")
    con.executemany(f"INSERT INTO raw_shop.raw.payments VALUES ({', '.join('?' * 10)})", rows)


def clean(con: duckdb.DuckDBPyConnection, day: int, batch_rows: int) -> CleanReport:
    return clean_source(
        con, contract=PAYMENT, source="shop", mapping_sql=MAPPING, raw_catalog="raw_shop", context=CONTEXT,
        now=NIGHT + timedelta(days=day), batch_rows=batch_rows,
    )  # fmt: skip


def dump(con: duckdb.DuckDBPyConnection) -> list[list[Row]]:
    return [
        con.execute(f"SELECT COLUMNS(c -> c NOT IN ('row_hash', 'last_seen_at')) FROM {table} ORDER BY ALL").fetchall()
        for table in ("clean.payment", "quarantine.payment", "meta.cleaning_issue")
    ]


@often(6)
@given(ROWS, st.integers(1, 3), st.randoms(use_true_random=False))
def test_every_row_is_accounted_for_whatever_the_order(rows: list[Row], cut: int, order: random.Random) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS raw_shop; CREATE SCHEMA raw_shop.raw")
    land(con, rows)
    report = clean(con, 0, 100_000)
    reconciled(
        len(rows), accepted=report.accepted, quarantined=report.quarantined, superseded=report.superseded,
        duplicates=report.duplicates,
    )  # fmt: skip
    first = dump(con)
    assert [len(table) for table in first[:2]] == [report.accepted, report.quarantined]
    for day, again, batch_rows in ((1, rows, 100_000), (2, order.sample(rows, len(rows)), cut)):
        land(con, again)
        report = clean(con, day, batch_rows)
        assert (report.inserted, report.updated, report.deleted) == (0, 0, 0)
        assert dump(con) == first
    con.close()
