"""Small changes to a written company's exports, as a next night brings them, each with its known effect.

For tests and demonstrations of incremental loading. Nothing here touches the truth.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.files import mark_stale

ORDERS = "exports/shop/orders"
_NEXT_MONTH = "2026-11"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an edit did: the file, relative to the company folder, and the ids of the records it concerns."""

    file: str
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def add_month(company: Path, *, orders: int = 5) -> Change:
    """Add files of a new month to the shop: copies of the last orders and their lines under new ids, on 1 November.

    Raises:
        FileNotFoundError: the folder has no shop exports.
    """
    folder = _folder(company)
    last = max(folder.glob("orders_*.csv"))
    if last.name == f"orders_{_NEXT_MONTH}.csv":
        raise FileExistsError(f"{company} already has orders of {_NEXT_MONTH}; write the company anew to start over.")
    head, rows = _read(last)
    lines_head, lines = _read(folder / last.name.replace("orders_", "order_lines_"))
    # Ids from 90… up belong to planted bad rows.
    good = [row for row in rows if row["Id"].startswith("51")][-orders:]
    new_orders, new_lines = [], []
    for number, row in enumerate(good, start=1):
        new_id = f"52{number:011d}"
        fresh = {
            "Id": new_id,
            "Name": f"MV9{number:05d}",
            "Created at": f"2026-11-01 {8 + number // 60:02d}:{number % 60:02d}:00 +0100",
        }
        pending = {"Cancelled at": "", "Delivered at": "", "Fulfillment Status": "unfulfilled"}
        new_orders.append({**row, **fresh, **pending})
        mine = [line for line in lines if line["Order ID"] == row["Id"]]
        new_lines += [
            {**line, "Order ID": new_id, "Line ID": f"93{number:05d}{place:06d}"} for place, line in enumerate(mine)
        ]
    _write(folder / f"orders_{_NEXT_MONTH}.csv", head, new_orders)
    _write(folder / f"order_lines_{_NEXT_MONTH}.csv", lines_head, new_lines)
    return _changed(company, Change(file=f"{ORDERS}/orders_{_NEXT_MONTH}.csv", added=[row["Id"] for row in new_orders]))


def change_order(
    company: Path, *, month: str = "2026-10", column: str = "Shipping City", value: str = "Hamburg"
) -> Change:
    """Set one column of an order of a month's file that is there once; the file's other rows stay as they were."""
    path = _folder(company) / f"orders_{month}.csv"
    head, rows = _read(path)
    row = next(r for r in rows if [other["Id"] for other in rows].count(r["Id"]) == 1)
    row[column] = value
    _write(path, head, rows)
    return _changed(company, Change(file=f"{ORDERS}/{path.name}", changed=[row["Id"]]))


def remove_order(company: Path, *, month: str = "2026-10") -> Change:
    """Take the last good order out of a month's file; its lines stay and lose their order."""
    path = _folder(company) / f"orders_{month}.csv"
    head, rows = _read(path)
    victim = next(row["Id"] for row in reversed(rows) if row["Id"].startswith("51"))
    _write(path, head, [row for row in rows if row["Id"] != victim])
    return _changed(company, Change(file=f"{ORDERS}/{path.name}", removed=[victim]))


def mend_total(company: Path, *, month: str | None = None, total: str = "50.00") -> Change:
    """Give an order that lacks its total one, so that it leaves the quarantine."""
    paths = sorted(_folder(company).glob(f"orders_{month or '*'}.csv"))
    for path in paths:
        head, rows = _read(path)
        broken = next((row for row in rows if not row["Total"]), None)
        if broken is not None:
            broken["Total"] = total
            _write(path, head, rows)
            return _changed(company, Change(file=f"{ORDERS}/{path.name}", changed=[broken["Id"]]))
    raise FileNotFoundError(f"No orders file in {company} has an order without total.")


def add_column(company: Path, *, month: str = "2026-10", name: str = "Gift Wrap", value: str = "no") -> Change:
    """Add a column to a month's orders, as a shop's update would."""
    path = _folder(company) / f"orders_{month}.csv"
    head, rows = _read(path)
    _write(path, [*head, name], [{**row, name: value} for row in rows])
    return _changed(company, Change(file=f"{ORDERS}/{path.name}"))


def corrupt(company: Path, file: str = "exports/erp/bestellungen.xlsx") -> Change:
    """Overwrite a file's start with noise, so that nothing can read it."""
    path = company / file
    content = path.read_bytes()
    path.write_bytes(b"\x00\xff\x00damaged\x00" + content[64:])
    return _changed(company, Change(file=file))


def remove_source(company: Path, source: str = "meta_ads") -> Change:
    """Move a source's exports away, as if its delivery had failed; rename the folder back to undo it."""
    path = company / "exports" / source
    path.rename(path.with_name(f"{source}.away"))
    return _changed(company, Change(file=f"exports/{source}"))


def _changed(company: Path, change: Change) -> Change:
    """Notes that the company is no longer as generated, so that writing it again restores it."""
    mark_stale(company)
    return change


def _folder(company: Path) -> Path:
    folder = company / ORDERS
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist; write the company first: python -m sandbox write {company}.")
    return folder


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, restkey="")
        return list(reader.fieldnames or []), [{k: v or "" for k, v in row.items() if k} for row in reader]


def _write(path: Path, head: list[str], rows: list[dict[str, str]]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")
