"""The layout of a lake: which one it has, and bringing an older one up to date.

A file in the lake names its layout. A change that the code cannot get over by itself adds one to FORMAT and a step to
STEPS; what tables gain or lose is no such change, since they are made anew or filled up from their contracts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from warehouse import meta, store
from warehouse.home import Home
from warehouse.store import StoreError

log = logging.getLogger(__name__)

FORMAT = 1


def bring_up(home: Home) -> None:
    """Bring a lake to this version's layout; the caller holds its lock `build`.

    Each step may be repeated, so a kill between them does no harm.

    Raises:
        StoreError: a newer Millpond has used the lake.
    """
    found = layout_of(home)
    if found > FORMAT:
        raise StoreError(
            f"A newer Millpond has used {home.root} (layout {found}, this one knows up to {FORMAT}). "
            "Install that version or a later one; nothing was changed."
        )
    for number in range(found, FORMAT):
        log.warning("Bringing %s from layout %d to %d.", home.root, number, number + 1)
        STEPS[number](home)
    if found < FORMAT or not _marker(home).exists():
        mark(home, FORMAT)


def _let_all_be_made_anew(home: Home) -> None:
    """Lakes without a marker noted otherwise what their tables were made from."""
    with store.open_build(home) as con:
        if store.exists(con, "meta", "built"):
            con.execute("UPDATE meta.built SET fingerprint = ?", [meta.UNSETTLED])


#: What leads from each layout to the next.
STEPS: Mapping[int, Callable[[Home], None]] = {0: _let_all_be_made_anew}


def layout_of(home: Home) -> int:
    """The layout of a lake: 0 for one from before there was a marker, this version's for one that is empty.

    Raises:
        StoreError: the marker cannot be read.
    """
    marker = _marker(home)
    if not marker.exists():
        return 0 if home.build.exists() else FORMAT
    try:
        return int(json.loads(marker.read_text(encoding="utf-8"))["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f'{marker} cannot be read. If the lake is from this version, write {{"format": {FORMAT}}} into it.'
        ) from error


def mark(home: Home, layout: int) -> None:
    """Say which layout a lake has."""
    home.root.mkdir(parents=True, exist_ok=True)
    partial = _marker(home).with_suffix(".partial")
    said = {"format": layout, "millpond": version("millpond")}
    partial.write_text(json.dumps(said) + "\n", encoding="utf-8")
    store.sync(partial)
    partial.replace(_marker(home))


def _marker(home: Home) -> Path:
    return home.root / "lake.json"
