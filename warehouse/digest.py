"""Hashes of what tables are made from, by which a night finds out what has to be made anew."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(*parts: str | bytes) -> str:
    """A short hash of everything that something is built from."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:24]


def code_digest(*packages: Path) -> str:
    """A hash of the source files of packages, so that changed code rebuilds what it builds."""
    files = sorted(f for p in packages for f in ([p] if p.is_file() else p.rglob("*")) if f.suffix in (".py", ".sql"))
    return digest(*(f.read_bytes() for f in files))
