"""What a load makes of pages: hand-made resources, no server, every case in which a record could be lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors import registry
from connectors._api.auth import bearer
from connectors._api.body import encode
from connectors._api.client import ApiError
from connectors._api.connector import api_connector, client_of
from connectors._api.options import ApiOptions
from connectors._api.pace import Rate
from connectors._api.resource import Head, Page, Reading, Resource
from connectors.base import ApiVersion, Connector, LoadReport, Source
from connectors.load import load
from warehouse import clock

Read = Callable[[Reading], Iterator[Page]]


@dataclass
class Bench:
    """A source whose resource a test changes between loads."""

    root: Path
    resource: Resource
    options: dict[str, Any] = field(default_factory=dict)

    def connector(self) -> Connector:
        return api_connector(
            name="bench",
            title="Bench",
            description="",
            options=ApiOptions,
            client=lambda source, options: client_of(
                source,
                options,
                title="Bench",
                base_url="http://127.0.0.1:9",
                auth=bearer("s3cret"),
                account="",
                rate=RATE,
            ),
            resources=lambda options: [self.resource],
            version=ApiVersion(name="v1", page=""),
            probe=lambda api, options: iter(()),
        )

    def load(self) -> LoadReport:
        source = Source(name="bench", connector="bench", root=self.root, options=self.options)
        return load(source, raw_dir=self.root, wait_seconds=2)

    def rows(self, columns: str = "id, is_deleted") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.root / "bench.duckdb"), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(f"SELECT {columns} FROM raw.items ORDER BY ALL").fetchall()


RATE = Rate(requests=1_000)
HEAD = Head(modified="m")


def item(key: int, moment: str = "2026-01-01T00:00:00Z", **more: Any) -> bytes:
    return encode({"id": key, "m": moment, **more})


def giving(*pages: Sequence[bytes]) -> Read:
    def read(reading: Reading) -> Iterator[Page]:
        for number, records in enumerate(pages, start=1):
            if number > (reading.position or 0):
                yield Page(records=records, position=number)

    return read


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    one = Bench(tmp_path, Resource(name="items", read=giving([]), head=HEAD))
    monkeypatch.setattr(registry, "get", lambda name: one.connector())
    return one


def change(bench: Bench, **how: Any) -> None:
    bench.resource = replace(bench.resource, **how)


def test_the_version_changed_last_counts_whatever_came_first(bench: Bench) -> None:
    new, old = item(1, "2026-02-01T00:00:00Z", v="new"), item(1, "2026-01-01T00:00:00Z", v="old")
    change(bench, read=giving([new], [old]))
    bench.load()
    assert bench.rows("payload->>'$.v'") == [("new",)]


def test_a_weekly_sweep_comes_again_though_the_clock_was_a_year_ahead(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []

    def ids(reading: Reading) -> Iterator[Sequence[str]]:
        listed.append("sweep")
        yield ["1"]

    change(bench, read=giving([item(1)]), ids=ids, sweep="weekly")
    now = datetime.now(UTC)
    swept = []
    for days in (0, 365, 1, 2, 3, 8):
        monkeypatch.setattr(clock, "now", lambda days=days: now + timedelta(days=days))
        listed.clear()
        bench.load()
        swept.append(len(listed))
    assert swept == [0, 1, 1, 0, 0, 1]


def test_a_load_cut_off_goes_on_and_the_raw_file_is_not_touched_before(bench: Bench) -> None:
    asked: list[Any] = []

    def read(reading: Reading) -> Iterator[Page]:
        asked.append(reading.position)
        yield from giving([item(1)], [item(2)])(reading)
        if len(asked) == 1:
            raise ApiError("down")
        yield Page(records=[item(3)])

    change(bench, read=read)
    with pytest.raises(ApiError, match="down"):
        bench.load()
    assert not (bench.root / "bench.duckdb").exists()
    bench.load()
    assert asked == [None, 2]
    assert bench.rows() == [("1", False), ("2", False), ("3", False)]


def test_what_is_gone_from_a_snapshot_is_marked_and_comes_back(bench: Bench) -> None:
    change(bench, mode="snapshot", read=giving([item(1), item(2)]))
    bench.load()
    change(bench, read=giving([item(1)]))
    bench.load()
    assert bench.rows() == [("1", False), ("2", True)]
    assert not bench.load().changed
    change(bench, read=giving([item(1), item(2)]))
    bench.load()
    assert bench.rows() == [("1", False), ("2", False)]


def test_most_of_a_table_does_not_vanish_without_a_word(bench: Bench) -> None:
    change(bench, mode="snapshot", read=giving([item(n) for n in range(100)]))
    bench.load()
    change(bench, read=giving([item(1)]))
    assert [f.kind for f in bench.load().findings] == ["refused_sweep"]
    assert not any(deleted for _, deleted in bench.rows())
    bench.options = {"accept_deletes": True}
    bench.load()
    assert sum(deleted for _, deleted in bench.rows()) == 99


def test_a_record_set_aside_is_not_taken_for_gone(bench: Bench) -> None:
    change(bench, mode="snapshot", read=giving([item(1), item(2)]))
    bench.load()
    change(bench, read=giving([item(1, "0000-00-00"), item(2)]))
    assert "rejected_record" in {f.kind for f in bench.load().findings}
    assert bench.rows() == [("1", False), ("2", False)]


def test_a_list_of_ids_that_moved_deletes_nothing_for_good(bench: Bench) -> None:
    listed = [["1", "2", "3"]]
    change(bench, read=giving([item(1), item(2), item(3)]), ids=lambda reading: iter([listed[-1]]))
    bench.load()
    listed.append(["1", "3"])
    bench.load()
    assert bench.rows()[1] == ("2", True)
    listed.append(["1", "2", "3"])
    change(bench, read=giving([]))
    bench.load()
    assert bench.rows()[1] == ("2", False)
    assert not bench.load().changed


def test_what_a_list_misses_is_made_sure_of_before_it_is_marked(bench: Bench) -> None:
    there = {"1": item(1), "2": item(2)}
    change(
        bench,
        read=giving(list(there.values())),
        ids=lambda reading: iter([["1"]]),
        fetch=lambda reading, ids: iter([Page(records=[there[i] for i in ids if i in there])]),
    )
    bench.load()
    bench.load()
    assert bench.rows() == [("1", False), ("2", False)]
    del there["2"]
    bench.load()
    assert bench.rows() == [("1", False), ("2", True)]


def test_a_missing_record_is_fetched_once(bench: Bench) -> None:
    there = {n: item(n) for n in (1, 2, 3, 4)}

    def fetch(reading: Reading, ids: Sequence[str]) -> Iterator[Page]:
        found = [there[int(i)] for i in ids if int(i) in there]
        if found:
            yield Page(records=found)

    change(
        bench,
        read=giving([item(1), item(2)]),
        ids=lambda reading: iter([["1", "2", "3", "4", "9"]]),
        fetch=fetch,
        count=lambda reading: 4,
    )
    report = bench.load()
    assert bench.rows() == [(str(n), False) for n in there]
    assert [c.difference for c in report.counts] == [0]


def test_a_deleted_record_keeps_what_it_last_was(bench: Bench) -> None:
    change(bench, read=giving([item(1, v="whole")]))
    bench.load()
    gone = Page(records=[encode({"id": 1})], bare=True)
    unknown = Page(records=[encode({"id": 7})], bare=True)
    change(bench, read=giving([]), tombstones=lambda reading: iter([gone, unknown]))
    bench.load()
    assert bench.rows("id, payload->>'$.v', is_deleted") == [("1", "whole", True)]
    assert not bench.load().changed


def test_a_record_from_the_future_neither_hides_others_nor_is_news_each_night(bench: Bench) -> None:
    told: list[datetime | None] = []

    def read(reading: Reading) -> Iterator[Page]:
        told.append(reading.since)
        yield Page(records=[item(1, "2999-01-01T00:00:00Z"), item(2, "9999-12-31T23:59:59Z")])

    change(bench, read=read)
    bench.load()
    assert not bench.load().changed
    assert not bench.load().changed
    assert told[1] is not None
    assert told[1] <= datetime.now(UTC)


def test_a_day_to_start_from_that_is_moved_back_brings_what_is_older(bench: Bench) -> None:
    every = {2021: item(1, "2021-05-01T00:00:00Z"), 2024: item(2, "2024-05-01T00:00:00Z")}

    def read(reading: Reading) -> Iterator[Page]:
        since = reading.since.year if reading.since else 0
        yield Page(records=[record for year, record in every.items() if year >= since])

    change(bench, read=read)
    bench.options = {"start_date": "2024-01-01"}
    bench.load()
    assert bench.rows() == [("2", False)]
    bench.options = {}
    bench.load()
    assert bench.rows() == [("1", False), ("2", False)]


def test_pages_of_a_load_cut_off_do_not_outlive_the_raw_file(bench: Bench) -> None:
    def read(reading: Reading) -> Iterator[Page]:
        last = reading.state.get("last", 0)
        for n in range(reading.position or last + 1, 7):
            yield Page(records=[encode({"id": n})], position=n + 1, state={"last": n})
            if n == down:
                raise ApiError("down")

    down, head = 0, Head()
    change(bench, read=read, head=head)
    bench.load()
    (bench.root / "bench.duckdb").unlink()
    down = 3
    with pytest.raises(ApiError):
        bench.load()
    down = 0
    bench.load()
    assert [key for key, _ in bench.rows()] == ["1", "2", "3", "4", "5", "6"]


def test_large_records_need_little_memory(bench: Bench) -> None:
    text = "x" * 100_000
    change(bench, read=giving(*([item(n * 100 + i, t=text) for i in range(100)] for n in range(60))))
    # 600 MB of payloads, more than the scratch database may hold.
    assert bench.load().tables == {"items": 6_000}
    assert not bench.load().changed


def test_no_secret_shows_in_what_is_printed(bench: Bench) -> None:
    source = Source(name="bench", connector="bench", root=bench.root, options={"token": "s3cret"})
    client = client_of(
        source, ApiOptions(), title="Bench", base_url="http://127.0.0.1:9", auth=bearer("s3cret"), account="", rate=RATE
    )
    assert "s3cret" not in f"{source!r} {client!r} {Reading(api=client, options=None, until=datetime.now(UTC))!r}"


@pytest.mark.parametrize("part", ["read", "ids", "count"])
def test_an_answer_that_is_not_as_documented_is_a_sentence(bench: Bench, part: str) -> None:
    def stumble(reading: Reading) -> Any:
        yield Page(records=[item(1)], position=1) if part == "read" else ["1"]
        raise KeyError("update_time")

    def count(reading: Reading) -> int:
        return {}["count"]  # type: ignore[no-any-return]

    change(bench, read=giving([item(1)]))
    bench.load()
    held = bench.rows()
    change(bench, **{part: count if part == "count" else stumble})
    with pytest.raises(ApiError, match=r"Bench \(source 'bench'\), items: an answer is not as documented \(KeyError"):
        bench.load()
    assert bench.rows() == held


def test_a_refusal_while_ids_are_listed_deletes_nothing(bench: Bench) -> None:
    def ids(reading: Reading) -> Iterator[Sequence[str]]:
        yield ["1"]
        raise ApiError("down")

    change(bench, read=giving([item(1), item(2)]))
    bench.load()
    change(bench, ids=ids)
    with pytest.raises(ApiError, match=r"^down$"):
        bench.load()
    assert bench.rows() == [("1", False), ("2", False)]


def test_pages_in_a_circle_end_and_the_next_load_begins_anew(bench: Bench) -> None:
    asked: list[Any] = []

    def read(reading: Reading) -> Iterator[Page]:
        asked.append(reading.position)
        while circling:
            yield Page(records=[item(1)], position="a")
            yield Page(records=[item(2)], position="b")
        yield from giving([item(1)], [item(2)])(reading)

    circling = True
    change(bench, read=read)
    with pytest.raises(ApiError, match="its pages go in a circle"):
        bench.load()
    circling = False
    bench.load()
    assert asked == [None, None]
    assert bench.rows() == [("1", False), ("2", False)]


def test_a_page_that_comes_twice_is_no_circle(bench: Bench) -> None:
    change(
        bench, read=lambda reading: iter([Page(records=[item(1)]), Page(records=[item(1)]), Page(records=[item(2)])])
    )
    bench.load()
    assert bench.rows() == [("1", False), ("2", False)]
