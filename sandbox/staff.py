"""Who works at the demo company: one list, of which every system knows its part under its own ids."""

from __future__ import annotations

import polars as pl

from sandbox import words
from sandbox.days import rng
from sandbox.people import fold

DOMAIN = "muehlbach-versand.example"
_TEAMS = {"Vertrieb": 8, "Kundenservice": 12, "Lager": 16, "Marketing": 4, "Verwaltung": 4}


def make_staff(seed: int) -> pl.DataFrame:
    """44 people: number, names, team, role, first day, whether still there."""
    random = rng(seed, "staff")
    rows: list[dict[str, object]] = []
    for team, size in _TEAMS.items():
        for place in range(size):
            given = words.GIVEN["DE"][int(random.integers(len(words.GIVEN["DE"])))]
            family = words.FAMILY["DE"][int(random.integers(len(words.FAMILY["DE"])))]
            number = len(rows) + 1
            rows.append(
                {
                    "number": number,
                    "given": given,
                    "family": family,
                    "team": team,
                    "email": f"{fold(given)[0]}.{fold(family)}{number}@{DOMAIN}",
                    "role": "Teamleitung" if place == 0 else "Fachkraft",
                    "hired_days_ago": int(random.integers(200, 4000)),
                    "is_active": bool(place < size - 1 or size < 5),
                }
            )
    return pl.DataFrame(rows)
