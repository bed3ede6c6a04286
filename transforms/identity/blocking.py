"""Which pairs are worth comparing: those that share one of many keys, each allowed about as many pairs as it can use.

A key whose blocks grow too large gives its small blocks only; what it leaves out, longer keys find.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

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


def make_pairs(con: duckdb.DuckDBPyConnection) -> list[Yield]:
    """Fill table `pair` (a, b with a ≤ b) from table `comparable`; copies of one content pair with themselves."""
    profiles = _one(con, "SELECT count(*) FROM comparable")
    allowed = max(_LEAST_PAIRS, int(_PAIRS_PER_RECORD * profiles))
    con.execute("CREATE OR REPLACE TABLE hit (a INTEGER, b INTEGER)")
    yields = [_take(con, key, expression, allowed) for key, expression in KEYS.items()]
    con.execute(
        "CREATE OR REPLACE TABLE pair AS SELECT DISTINCT a, b FROM hit "
        "UNION ALL SELECT profile, profile FROM comparable WHERE records > 1"
    )
    con.execute("DROP TABLE hit")
    return yields


def _take(con: duckdb.DuckDBPyConnection, key: str, expression: str, allowed: int) -> Yield:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE entry AS SELECT hash(value) AS block, profile FROM "
        f"(SELECT unnest(list_distinct({expression})) AS value, profile FROM comparable) AS listed "
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
    return Yield(key, taken, largest, sum(pairs for _, pairs in sizes) - taken)


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
