"""Finds the connectors: every folder beside this file but those whose names begin with `_`, which are shared code.

Nothing is listed by hand, and importing this module loads neither a connector nor dlt.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from connectors.base import Connector, ConnectorError


@cache
def names() -> tuple[str, ...]:
    """Gives the names of all connectors, sorted."""
    folders = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted(m.name for m in folders if m.ispkg and not m.name.startswith("_")))


@cache
def get(name: str) -> Connector:
    """Gives one connector.

    Raises:
        ConnectorError: no connector has this name.
    """
    if name not in names():
        raise ConnectorError(f"millpond.toml: there is no connector '{name}'; the connectors are {', '.join(names())}.")
    connector = importlib.import_module(f"connectors.{name}").CONNECTOR
    if not isinstance(connector, Connector):
        raise TypeError(f"connectors/{name}/__init__.py: CONNECTOR is not a Connector")
    return connector


def all_connectors() -> tuple[Connector, ...]:
    """Gives every connector, by name."""
    return tuple(get(name) for name in names())
