"""What the UI tells of linking."""

from __future__ import annotations

import duckdb

from pipelines.assets.identity import told_of


def test_the_last_linking_is_told_in_figures() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA identity")
        con.execute(
            "CREATE TABLE identity.linkage (happened_at TIMESTAMPTZ, records BIGINT, changed_records BIGINT, "
            "customers BIGINT, merged BIGINT, split BIGINT)"
        )
        assert told_of(con, "identity.linkage") == {}
        con.execute("INSERT INTO identity.linkage VALUES ('2026-01-01 02:00:00Z', 9, NULL, 7, 0, 0)")
        assert told_of(con, "identity.linkage") == {"records": 9, "customers": 7, "merged": 0, "split": 0}
        con.execute("INSERT INTO identity.linkage VALUES ('2026-01-02 02:00:00Z', 10, 2, 8, 0, 1)")
        told = {"records": 10, "changed_records": 2, "customers": 8, "merged": 0, "split": 1}
        assert told_of(con, "identity.linkage") == told
        assert told_of(con, "identity.history") == {}
