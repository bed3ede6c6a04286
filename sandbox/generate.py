"""Writes the demo company's folder: configuration, mappings, exports and truth.

The same seed and scale give the same bytes; a folder that already holds them is left alone. What is in the files
belongs in `exports/`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from sandbox import files
from sandbox.exports import erp, office, reviews
from sandbox.exports.kit import Out
from sandbox.marketing import all_campaigns
from sandbox.people import who_shares
from sandbox.serve import store_path
from sandbox.store import Store
from sandbox.trade import Trade, make_trade
from sandbox.truth import Truth
from sandbox.vendors import all_vendors

COMPANY = Path(__file__).parent / "company"

#: Sources that deliver files; the other systems are served, see `vendors/`.
EXPORTS: dict[str, Callable[[Out], None]] = {"reviews": reviews.write, "erp": erp.write, "office": office.write}


@dataclass(frozen=True)
class Generation:
    """What a folder holds: made by which version of the generator, from which seed, at which size."""

    version: str
    seed: int
    scale: float


@cache
def _version() -> str:
    """A hash of the generator's own source, so that changing it makes folders anew."""
    digest = hashlib.sha256()
    for path in sorted(COMPANY.parent.rglob("*")):
        if path.suffix in (".py", ".sql", ".toml", ".env", ".graphql"):
            digest.update(path.relative_to(COMPANY.parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def write(folder: Path, *, seed: int = 7, scale: float = 1.0) -> bool:
    """Write the company into a folder; its lake, if it has one, stays.

    Args:
        folder: The company folder; made if need be.
        seed: Another seed gives another company of the same kind.
        scale: 1 is about 20,000 customers and 40,000 orders in two years.

    Returns:
        Whether anything was written; False if the folder already held just this.

    Raises:
        FileExistsError: the folder holds a company that the generator did not make.
    """
    wanted = asdict(Generation(_version(), seed, scale))
    marker = folder / files.MARKER
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == wanted:
        return False
    if not marker.exists() and (folder / "millpond.toml").exists():
        raise FileExistsError(
            f"{folder} holds a company of its own: it has a millpond.toml that the sandbox did not write. "
            "Choose another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    # Until the marker vouches for a whole generation, it says that the folder is ours and to be written anew.
    files.mark_stale(folder)
    for part in ("exports", "served", "truth", "mappings"):
        files.empty(folder / part)
    trade, truth = make_trade(seed, scale), Truth()
    truth.fact("shared_contact", who_shares(trade.people))
    truth.fact("campaign", all_campaigns(seed))
    write_exports(folder / "exports", seed=seed, scale=scale, trade=trade, truth=truth)
    fill_vendors(folder, seed=seed, scale=scale, trade=trade, truth=truth)
    truth.write(folder / "truth")
    shutil.copytree(COMPANY, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    (folder / "demo.env").replace(folder / ".env")
    marker.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    return True


def require(folder: Path) -> None:
    """Makes sure that the folder holds a demo company.

    Raises:
        FileNotFoundError: it does not.
    """
    if not (folder / files.MARKER).exists():
        raise FileNotFoundError(f"{folder} holds no demo company; write one with `python -m sandbox write {folder}`.")


def next_day(folder: Path) -> None:
    """Moves the day that the company's data ends on by one."""
    path = folder / "millpond.toml"
    text = path.read_text(encoding="utf-8")
    before = re.search(r'^as_of = "([0-9-]+)"$', text, re.MULTILINE)
    if before:
        after = date.fromisoformat(before[1]) + timedelta(days=1)
        path.write_text(text.replace(before[0], f'as_of = "{after}"'), encoding="utf-8")


def write_exports(folder: Path, *, seed: int, scale: float, trade: Trade, truth: Truth) -> None:
    """Write every file source's export into a folder of its name, and say the truth about it."""
    for source, export in EXPORTS.items():
        export(Out(source=source, folder=folder / source, seed=seed, scale=scale, trade=trade, truth=truth))


def fill_vendors(folder: Path, *, seed: int, scale: float, trade: Trade, truth: Truth) -> None:
    """Make what each vendor's server holds; the truth counts those that the demo's night loads."""
    for name, vendor in all_vendors().items():
        store = Store(store_path(folder, name))
        vendor.fill(
            Out(
                source=vendor.source or name,
                folder=folder / "served",
                seed=seed,
                scale=scale,
                trade=trade,
                truth=truth if vendor.source else Truth(),
            ),
            store,
        )
        store.close()
