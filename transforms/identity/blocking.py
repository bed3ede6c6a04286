"""Which pairs are worth comparing: those that share one of many keys, each allowed about as many pairs as it can use.

A key whose blocks grow too large gives its small blocks only; what it leaves out, longer keys find.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from transforms.identity.sql import one

#: key → SQL list of what records with an equal entry share. Where names may be swapped, both orders are entered.
KEYS: dict[str, str] = {
    "external_id": "[external_id]",
    "email": "[email, email || given_sound, email || family_sound]",
    "local": "[CASE WHEN length(local) > 4 THEN local END]",
    "phone": "[phone, phone || given_sound, phone || family_sound]",
    "names": """[CASE WHEN given_sound < family_sound THEN given_sound || '/' || family_sound
        ELSE family_sound || '/' || given_sound END]""",
    "birth_name": "[birth || left(root, 1), birth || left(family, 1)]",
    "birth_place": "[birth || postcode, birth || city]",
    "birth_year": "[left(birth, 4) || family_sound || left(root, 1), left(birth, 4) || given_sound || left(family, 1)]",
    "birth_day": "[right(birth, 4) || family_sound, right(birth, 4) || given_sound]",
    "birth_month": "[left(birth, 6) || family_sound, left(birth, 6) || given_sound, left(birth, 6) || postcode]",
    "name_postcode": "[family_sound || '/' || postcode, given_sound || '/' || postcode]",
    "name_city": """[family_sound || '/' || left(root, 1) || '/' || city,
        given_sound || '/' || left(family, 1) || '/' || city]""",
    "address": """[street || house, house || postcode, street || postcode,
        house || '/' || left(street, 3) || '/' || city]""",
    "address_name": "[house || given_sound, house || family_sound, street || given_sound, street || family_sound]",
    "beginnings": """[left(family, 4) || left(given, 2) || left(postcode, 2),
        left(family, 4) || left(given, 2) || left(city, 3)]""",
    "organisation": "list_transform(organisation_words, lambda word: 'w' || word)",
    "organisation_start": "[left(organisation, 6), left(replace(organisation, ' ', ''), 8)]",
    "organisation_place": """[left(organisation, 3) || city, left(organisation, 2) || postcode,
        left(organisation, 3) || left(phone, 5)]""",
    "domain": "[domain, split_part(domain, '.', 1), domain || left(organisation, 3)]",
    "employer": "[employer || given_sound, employer || family_sound]",
    "one_name": "['f' || family_sound, 'g' || given_sound, 'h' || family]",
    "place": "['p' || postcode, 'c' || city, 's' || street, 'r' || house || left(postcode, 3)]",
    "date": "['y' || left(birth, 6), 'm' || right(birth, 4), 'd' || birth]",
}
#: Pairs allowed to a key: per record, and at least.
_PAIRS_PER_RECORD, _LEAST_PAIRS = 0.7, 400_000


@dataclass(frozen=True)
class Yield:
    """What a key gave: pairs, the largest block taken, and the pairs of the blocks left out."""

    key: str
    pairs: int
    largest_block: int
    left_out: int


def make_pairs(con: duckdb.DuckDBPyConnection, *, keep: bool = False) -> list[Yield]:
    """Fill table `pair` (a, b with a ≤ b) from table `comparable`; copies of one content pair with themselves.

    Args:
        con: the workbench.
        keep: whether to fill tables block_entry and block_limit, by which `pairs_of` finds pairs later.
    """
    profiles = one(con, "SELECT count(*) FROM comparable")
    allowed = max(_LEAST_PAIRS, int(_PAIRS_PER_RECORD * profiles))
    con.execute("CREATE OR REPLACE TABLE hit (a INTEGER, b INTEGER)")
    if keep:
        con.execute("CREATE OR REPLACE TABLE block_entry (block UINTEGER, profile INTEGER)")
        con.execute("CREATE OR REPLACE TABLE block_limit (key VARCHAR, size INTEGER)")
    yields = [_take(con, key, allowed, keep=keep) for key in KEYS]
    con.execute(
        "CREATE OR REPLACE TABLE pair AS SELECT DISTINCT a, b FROM hit "
        "UNION ALL SELECT profile, profile FROM comparable WHERE records > 1"
    )
    con.execute("DROP TABLE hit")
    return yields


def pairs_of(con: duckdb.DuckDBPyConnection) -> None:
    """Fill table `pair` with what profiles of table `touched_comparable` pair with, and enter them in block_entry."""
    con.execute("CREATE OR REPLACE TABLE hit (a INTEGER, b INTEGER)")
    con.execute("DELETE FROM block_entry WHERE profile IN (SELECT profile FROM touched_comparable)")
    listed = " UNION ALL ".join(
        f"SELECT {_kept('hash(value)', key)} AS block, profile, size FROM "
        f"(SELECT unnest(list_distinct({expression})) AS value, profile FROM touched_comparable) AS listed "
        f"INNER JOIN block_limit ON block_limit.key = '{key}' WHERE value IS NOT NULL"
        for key, expression in KEYS.items()
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE entry AS {listed}")
    con.execute("INSERT INTO block_entry SELECT block, profile FROM entry")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE near AS SELECT block, profile FROM block_entry "
        "WHERE block IN (SELECT block FROM entry)"
    )
    con.execute(
        "INSERT INTO hit SELECT least(entry.profile, near.profile), greatest(entry.profile, near.profile) "
        "FROM entry INNER JOIN (SELECT block, count(*) AS size FROM near GROUP BY block) AS found USING (block) "
        "INNER JOIN near USING (block) WHERE found.size <= greatest(entry.size, 2) AND entry.profile <> near.profile"
    )
    con.execute(
        "CREATE OR REPLACE TABLE pair AS SELECT DISTINCT a, b FROM hit "
        "UNION ALL SELECT profile, profile FROM touched_comparable WHERE records > 1"
    )
    for table in ("hit", "entry", "near", "touched_comparable"):
        con.execute(f"DROP TABLE {table}")


def _take(con: duckdb.DuckDBPyConnection, key: str, allowed: int, *, keep: bool) -> Yield:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE entry AS SELECT hash(value) AS block, profile FROM "
        f"(SELECT unnest(list_distinct({KEYS[key]})) AS value, profile FROM comparable) AS listed "
        "WHERE value IS NOT NULL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE block AS SELECT block, count(*)::INTEGER AS size FROM entry "
        "GROUP BY block HAVING count(*) > 1"
    )
    sizes = con.execute(
        "SELECT size, count(*) * size * (size - 1) // 2 FROM block GROUP BY size ORDER BY size"
    ).fetchall()
    taken, largest = 0, 1
    for size, pairs in sizes:
        if taken + pairs > allowed and size > 2:
            break
        taken, largest = taken + pairs, size
    con.execute(
        "INSERT INTO hit SELECT one.profile, other.profile FROM entry AS one "
        "INNER JOIN block ON block.block = one.block INNER JOIN entry AS other ON other.block = one.block "
        "WHERE block.size <= ? AND one.profile < other.profile",
        [largest],
    )
    if keep:
        con.execute(
            f"INSERT INTO block_entry SELECT {_kept('block', key)}, profile FROM entry "
            "WHERE block NOT IN (SELECT block FROM block WHERE size > ?)",
            [largest],
        )
        con.execute("INSERT INTO block_limit VALUES (?, ?)", [key, largest])
    return Yield(key, taken, largest, sum(pairs for _, pairs in sizes) - taken)


def _kept(block: str, key: str) -> str:
    """An entry in short: two that meet by chance only give a pair that is compared in vain."""
    return f"(hash({block}, '{key}') >> 32)::UINTEGER"
