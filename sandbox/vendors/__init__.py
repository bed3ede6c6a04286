"""The vendors that the sandbox speaks for, one module each: every module here that offers a `VENDOR`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from sandbox.vendor import Vendor


def all_vendors() -> dict[str, Vendor]:
    """Gives the vendors by name."""
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_"))
    return {name: importlib.import_module(f"sandbox.vendors.{name}").VENDOR for name in names}
