"""A backfill that is killed again and again: it goes on from the last page, and ends without gap or duplicate."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from connectors.base import Source
from connectors.load import load
from sandbox.serve import Sandbox, serving
from tests.connectors.rest.shop import VENDOR, item

CODE = Path(__file__).parents[2]
ITEMS, PAGE, KILLS = 8_000, 50, 20
LOAD = """
import json, sys
from pathlib import Path
from connectors.base import Source
from connectors.load import load
root = Path(sys.argv[1])
load(Source(name="shop", connector="rest", root=root, options=json.loads(sys.argv[2])), raw_dir=root / "raw")
"""


def options(url: str) -> dict[str, object]:
    items = {
        "path": "/items/paged",
        "records": "data.items",
        "modified": "updated",
        "size": PAGE,
        "size_param": "per_page",
        "since": {"param": "since"},
        "paging": {"kind": "cursor", "next": "meta.next", "param": "cursor"},
        "count": "meta.total",
    }
    return {
        "base_url": f"{url}/shop",
        "auth": {"kind": "bearer", "token": "good"},
        "rate": {"requests": 100_000},
        "endpoints": {"items": items},
    }


def rows(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("SELECT id, payload, is_deleted FROM raw.items ORDER BY id").fetchall()


def test_a_backfill_killed_at_twenty_moments_ends_as_one_that_was_not(tmp_path: Path) -> None:
    dice = random.Random(3)
    sandbox = Sandbox(tmp_path, vendors={"shop": VENDOR}, ease=10_000, record=True)
    sandbox.stores["shop"].put("item", [item(n) for n in range(1, ITEMS + 1)])
    with serving(sandbox) as running:
        chosen = options(running.url)

        def source(root: Path) -> Source:
            return Source(name="shop", connector="rest", root=root, options=chosen)

        undisturbed = tmp_path / "undisturbed"
        began = time.monotonic()
        load(source(undisturbed), raw_dir=undisturbed / "raw")
        longest = time.monotonic() - began
        expected = rows(undisturbed / "raw/shop.duckdb")
        assert len(expected) == ITEMS
        pages = len(sandbox.exchanges)

        kills, backfills, killed_with_pages = 0, 0, 0
        while kills < KILLS:
            root = tmp_path / f"killed-{backfills}"
            root.mkdir()
            sandbox.exchanges.clear()
            ended, here = False, 0
            while not ended and kills < KILLS:
                before = len(sandbox.exchanges)
                process = subprocess.Popen([sys.executable, "-c", LOAD, str(root), json.dumps(chosen)], cwd=CODE)
                while len(sandbox.exchanges) == before and process.poll() is None:
                    time.sleep(0.002)
                moment = dice.uniform(0, longest * 0.9)
                deadline = time.monotonic() + moment
                while time.monotonic() < deadline and process.poll() is None:
                    time.sleep(0.002)
                ended = process.poll() is not None
                if not ended:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    here += 1
                    killed_with_pages += len(sandbox.exchanges) > before
            load(source(root), raw_dir=root / "raw")
            assert rows(root / "raw/shop.duckdb") == expected
            # Each kill costs the page under way, and the count is asked for once per attempt that comes so far.
            assert len(sandbox.exchanges) <= pages + 3 * here + 5
            assert not (root / "raw/.pending/shop").exists()
            backfills += 1
        assert kills == KILLS
        assert killed_with_pages >= KILLS - 2
