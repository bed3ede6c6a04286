"""How many records have each value: what makes agreement in it strong or weak, and who shares a mailbox or number.

The counts are tables of the workbench, count_<comparison>; values that one record has alone are not in them.
"""

from __future__ import annotations

import duckdb

from transforms.identity.sql import over, text

#: Values whose records are counted; a street is counted with its number.
COUNTED = {
    **{name: name for name in ("given", "family", "birth", "postcode", "city", "organisation", "employer")},
    "street": "street || ' ' || house",
    "provider": "provider",
}
#: Values of which also the names are counted that they occur with.
SHARED = ("email", "phone", "domain", "external_id")


def make(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables of counts from table `form`."""
    for name, value in COUNTED.items():
        con.execute(f"CREATE TABLE count_{name} AS {_counted(name, value)}")
    for name in SHARED:
        con.execute(f"CREATE TABLE count_{name} AS {_shared(name)}")
    con.execute(text("typed_birth"))
    con.execute(f"CREATE TABLE count_name AS {text('count_name')}")


def recount(con: duckdb.DuckDBPyConnection) -> None:
    """Count anew the values of table `altered`, forms that came, went or changed their records.

    Adds to table `touched` the profiles whose mailbox, number or id is now shared otherwise than it was.
    """
    for name, value in COUNTED.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE seen AS SELECT DISTINCT {value} AS value FROM altered")
        con.execute(f"DELETE FROM count_{name} WHERE value IN (FROM seen)")
        con.execute(f"INSERT INTO count_{name} {_counted(name, value, 'IN (FROM seen)')}")
    con.execute("DELETE FROM count_birth WHERE value IN (FROM typed_birth)")
    for name in SHARED:
        con.execute(f"CREATE OR REPLACE TEMP TABLE seen AS SELECT DISTINCT {name} AS value FROM altered")
        con.execute(f"CREATE OR REPLACE TEMP TABLE before AS FROM count_{name} WHERE value IN (FROM seen)")
        con.execute(f"DELETE FROM count_{name} WHERE value IN (FROM seen)")
        con.execute(f"INSERT INTO count_{name} {_shared(name, 'IN (FROM seen)')}")
        con.execute(
            f"INSERT INTO touched SELECT profile FROM form WHERE {name} IN (SELECT seen.value FROM seen "
            f"LEFT JOIN count_{name} AS now ON now.value = seen.value LEFT JOIN before ON before.value = seen.value "
            "WHERE (least(now.names, 8), shared_level(0, coalesce(now.records, 1))) IS DISTINCT FROM "
            "(least(before.names, 8), shared_level(0, coalesce(before.records, 1)))) "
            "AND profile NOT IN (FROM touched)"
        )
    con.execute("CREATE OR REPLACE TEMP TABLE seen AS SELECT DISTINCT given, family FROM altered")
    con.execute("DELETE FROM count_name WHERE (given, family) IN (SELECT (given, family) FROM seen)")
    altered = "(SELECT form.* FROM form SEMI JOIN seen USING (given, family))"
    con.execute(f"INSERT INTO count_name {over('count_name', 'form', altered)}")


def same(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[int, float, float]]:
    """By level of SAME: all pairs of records that have the value in common, and the records that do."""
    if name == "name":
        level, table = "level", "count_name"
    elif name in SHARED:
        level, table = "shared_level(names - 1, records)", f"count_{name}"
    else:
        level, table = "rarity(records)", f"count_{name}"
    return con.execute(
        f"SELECT {level}, sum(records * (records - 1) / 2)::DOUBLE, sum(records)::DOUBLE FROM {table} "
        "WHERE records > 1 GROUP BY 1"
    ).fetchall()


def _counted(name: str, value: str, which: str = "IS NOT NULL") -> str:
    least = 0 if name == "birth" else 1
    return (
        f"SELECT {value} AS value, sum(records) AS records FROM form WHERE ({value}) {which} "
        f"GROUP BY 1 HAVING sum(records) > {least}"
    )


def _shared(name: str, which: str = "IS NOT NULL") -> str:
    return (
        f"SELECT {name} AS value, sum(records)::INTEGER AS records, count(DISTINCT name_key)::INTEGER AS names "
        f"FROM form WHERE {name} {which} GROUP BY 1 HAVING sum(records) > 1"
    )
