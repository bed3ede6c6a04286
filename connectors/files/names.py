"""Column names: from any header to one that dlt and SQL take unchanged, and how the headers of a table drift."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d"})
_SIMILAR = 0.6


@dataclass(frozen=True)
class Change:
    """One difference between two headers of a table."""

    column: str
    kind: Literal["added", "dropped", "renamed"]
    detail: str


def snake_case(text: str) -> str:
    """Gives a name that dlt's naming leaves as it is: 'Größe (cm)' → 'grosse_cm', '2026' → '_2026'.

    Letters without a Latin base are lost, so the result may be empty.
    """
    flat = unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()
    flat = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)(?=[A-Z][a-z])", r"\1\3_\2", flat)
    flat = re.sub(r"[^a-z0-9]+", "_", flat.lower()).strip("_")
    return f"_{flat}" if flat[:1].isdigit() else flat


def column_names(headers: Sequence[str], held: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Names the columns of a header, each once.

    Args:
        held: the names that the first headers have already, and keep.

    Returns:
        The names, in the order of the headers, and a sentence for each header whose name is not its own: empty,
        without a Latin letter, or a repetition. No name starts with an underscore and a letter: those are Millpond's.
    """
    new = headers[len(held) :]
    wanted = [snake_case(header) for header in new]
    if not _collide([*held, *wanted]):
        return [*held, *wanted], []
    taken = {*held, *wanted} - {""}
    used = set(held)
    names, notes = list(held), []
    for position, (header, name) in enumerate(zip(new, wanted, strict=True), start=len(held) + 1):
        chosen = name
        if not name or name in used:
            chosen = _free(name or f"column_{position}", taken | used, try_bare=not name)
            reason = "is empty" if not header.strip() else "repeats" if name else "has no Latin letter or digit"
            notes.append(f"The header '{header}' in position {position} {reason}; its column is {chosen}.")
        used.add(chosen)
        names.append(chosen)
    return names, notes


def _collide(names: list[str]) -> bool:
    return len(set(names)) < len(names) or "" in names


def _free(name: str, taken: set[str], *, try_bare: bool) -> str:
    if try_bare and name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def drift(before: Sequence[str], after: Sequence[str]) -> list[Change]:
    """Compares two headers of a table.

    A dropped and an added column are taken for a rename if their names are alike or they stand in the same place.
    """
    dropped = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    renamed: dict[str, str] = {}
    for old in dropped:
        rivals = [name for name in added if name not in renamed.values()]
        best = max(rivals, key=lambda name: SequenceMatcher(None, old, name).ratio(), default=None)
        if best is not None and SequenceMatcher(None, old, best).ratio() >= _SIMILAR:
            renamed[old] = best
    for old in dropped:
        here = after[before.index(old)] if len(before) == len(after) else None
        if here in added and old not in renamed and here not in renamed.values():
            renamed[old] = here
    changes = [Change(new, "renamed", f"{old} seems to be called {new} now") for old, new in renamed.items()]
    changes += [Change(n, "dropped", f"{n} is no longer there") for n in dropped if n not in renamed]
    changes += [Change(n, "added", f"{n} is new") for n in added if n not in renamed.values()]
    return changes
