"""Rows per second from an HTTP interface on loopback into the raw file, against plain dlt and against a floor.

One server of contact-like records in pages of 100, in a process of its own; each contestant is a process of its own,
too, and merges by key into a DuckDB file. Run: python -m bench ingest. The night as a whole is bench/night.py's.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.night import measured

RECORDS, PAGE = 200_000, 100
ROUNDS = 3
CONTESTANTS = {
    "millpond": "the connector `rest`, page by page into the pending folder, then merged by dlt",
    "dlt rest_api": "dlt's own rest_api source with its defaults, write disposition merge",
    "floor": "httpx, orjson, Arrow, one INSERT OR REPLACE into DuckDB",
}


def run(folder: Path, records: int = RECORDS) -> list[dict[str, Any]]:
    """Measure each contestant, in turn and several times; and ours again with half the pages, for its memory."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with serving(records) as url:
        times: dict[str, list[Any]] = {name: [] for name in CONTESTANTS}
        for _ in range(ROUNDS):
            for name in CONTESTANTS:
                times[name].append(_once(folder, name, url, records))
        half = _once(folder, "millpond", f"{url}/half", records // 2)
        again = measured("-m", "bench.ingest", "millpond", url, str(folder / "millpond"), str(records))
    floor = statistics.median(u.wall for u in times["floor"])
    plain = statistics.median(u.wall for u in times["dlt rest_api"])
    for name, used in times.items():
        wall = statistics.median(u.wall for u in used)
        rows.append(
            {
                "contestant": name,
                "what": CONTESTANTS[name],
                "wall s": wall,
                "processor s": statistics.median(u.cpu for u in used),
                "rows/s": round(records / wall),
                "peak MB": max(u.peak_mb for u in used),
                "times plain dlt": plain / wall,
                "of the floor": floor / wall,
            }
        )
    rows.append({"contestant": "millpond, half the pages", "wall s": half.wall, "peak MB": half.peak_mb})
    rows.append({"contestant": "millpond, nothing changed", "wall s": again.wall, "peak MB": again.peak_mb})
    return rows


def _once(folder: Path, name: str, url: str, records: int) -> Any:
    target = folder / name.replace(" ", "-")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    used = measured("-m", "bench.ingest", name, url, str(target), str(records))
    if used.status:
        raise RuntimeError(f"{name} failed: {used.output}")
    return used


def millpond(url: str, target: Path) -> int:
    """Our own way."""
    from connectors.base import Source
    from connectors.load import load

    contacts = {
        "path": "/contacts",
        "records": "results",
        "modified": "updatedAt",
        "since": {"param": "since"},
        "paging": {"kind": "cursor", "next": "paging.next.after", "param": "after"},
    }
    options = {"base_url": url, "rate": {"requests": 100_000}, "endpoints": {"contacts": contacts}}
    load(Source(name="crm", connector="rest", root=target, options=options), raw_dir=target)
    return _count(target / "crm.duckdb", "raw.contacts")


def plain_dlt(url: str, target: Path) -> int:
    """dlt as its documentation begins, with a primary key to merge by."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "paginator": {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"},
            },
            "resources": [
                {
                    "name": "contacts",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {"path": "contacts", "data_selector": "results"},
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="plain",
        pipelines_dir=str(target / "work"),
        destination=dlt.destinations.duckdb(str(target / "plain.duckdb")),
        dataset_name="raw",
    )
    pipeline.run(source)
    return _count(target / "plain.duckdb", "raw.contacts")


def floor(url: str, target: Path) -> int:
    """What somebody would write by hand for this one interface; it neither resumes nor notices anything."""
    import duckdb
    import httpx
    import orjson
    import pyarrow as pa

    ids, times, payloads, after = [], [], [], None
    with httpx.Client() as client:
        while True:
            answer = client.get(f"{url}/contacts", params={"after": after} if after else None)
            page = orjson.loads(answer.content)
            for record in page["results"]:
                ids.append(record["id"])
                times.append(record["updatedAt"])
                payloads.append(orjson.dumps(record))
            after = page.get("paging", {}).get("next", {}).get("after")
            if after is None:
                break
    contacts = pa.table({"id": ids, "modified_at": times, "payload": pa.array(payloads, pa.binary()).cast(pa.string())})
    with duckdb.connect(str(target / "floor.duckdb")) as con:
        con.execute("CREATE TABLE contacts (id VARCHAR PRIMARY KEY, modified_at TIMESTAMPTZ, payload JSON)")
        con.register("contacts_read", contacts)
        con.execute("INSERT OR REPLACE INTO contacts SELECT * FROM contacts_read")
    return _count(target / "floor.duckdb", "contacts")


def _count(path: Path, table: str) -> int:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        row = con.execute(f"SELECT count(DISTINCT id) FROM {table}").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def serving(records: int) -> Iterator[str]:
    """A server of prepared pages in a process of its own; below `/half` it has half as many."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.ingest", "serve", str(records)], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip() if process.stdout else ""
        try:
            urllib.request.urlopen(f"{url}/contacts").read()
            yield url
        finally:
            process.terminate()


def _serve(records: int) -> None:
    """Answers with bytes made beforehand, so that the server is not what is measured."""
    import socket

    import uvicorn

    pages = [_page(start, records) for start in range(0, records, PAGE)]
    middle = records // 2 // PAGE
    last_of_half = _page((middle - 1) * PAGE, middle * PAGE)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        after = int(dict(p.split("=") for p in scope["query_string"].decode().split("&") if p).get("after", 0))
        number = after // PAGE
        body = last_of_half if scope["path"].startswith("/half") and number == middle - 1 else pages[number]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(64)
        sys.stdout.write(f"http://127.0.0.1:{bound.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")).run([bound])


def _page(start: int, records: int) -> bytes:
    results = [_contact(number) for number in range(start, min(start + PAGE, records))]
    following = {"paging": {"next": {"after": str(start + PAGE)}}} if start + PAGE < records else {}
    return json.dumps({"results": results, **following}).encode()


def _contact(number: int) -> dict[str, Any]:
    stamp = f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:00.000Z"
    return {
        "id": str(1_000_000 + number),
        "properties": {
            "firstname": f"Given{number % 900}",
            "lastname": f"Family{number % 7_000}",
            "email": f"person{number}@example.com",
            "phone": f"+4930{number:08d}",
            "company": f"Firm {number % 9_000}" if number % 3 else None,
            "city": f"City {number % 400}",
            "country": "Germany",
            "lifecyclestage": "customer" if number % 2 else "lead",
            "annual_value": f"{number % 10_000}.{number % 100:02d}",
            "createdate": stamp,
            "lastmodifieddate": stamp,
            "hs_object_id": str(1_000_000 + number),
        },
        "createdAt": stamp,
        "updatedAt": stamp,
        "archived": False,
    }


def main() -> None:
    """`serve RECORDS`, or a contestant with its URL, folder and the number of records it must end with."""
    if sys.argv[1] == "serve":
        _serve(int(sys.argv[2]))
        return
    name, url, target, records = sys.argv[1:]
    began = time.perf_counter()
    way = {"millpond": millpond, "dlt rest_api": plain_dlt, "floor": floor}[name]
    held = way(url, Path(target))
    if held != int(records):
        sys.exit(f"{name} holds {held} records instead of {records}")
    sys.stdout.write(f"{time.perf_counter() - began:.2f}\n")


if __name__ == "__main__":
    main()
