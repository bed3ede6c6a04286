"""Pages become columns: the record to the letter, key and time beside it, and what has no key set aside."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors._api.body import RECORDS, envelope
from connectors._api.columns import Cutter
from connectors._api.resource import Clock, Head, Page


def rows(head: Head, *records: bytes, **page: bool) -> list[dict[str, object]]:
    return Cutter(head).columns(Page(records=records, **page)).batch.to_pylist()  # type: ignore[arg-type]


def test_a_record_stays_what_was_sent_to_the_last_digit() -> None:
    sent = b'{"id": 7, "price":1.10, "big": 12345678901234567890123, "name":"\\u00c4 \xc3\x84"}'
    (row,) = rows(Head(), sent)
    assert row["payload"] == sent.decode()
    assert row["id"] == "7"


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ('"2026-03-01T12:00:00.5Z"', "iso"),
        ('"2026-03-01T13:00:00.500+0100"', "iso"),
        ('"2026-03-01T13:00:00.500+01:00"', "iso"),
        ('"2026-03-01 12:00:00.5"', "iso"),
        ("1772366400.5", "seconds"),
        ('"1772366400500"', "milliseconds"),
    ],
)
def test_times_are_read_however_they_are_written(text: str, clock: Clock) -> None:
    (row,) = rows(Head(modified="at", clock=clock), f'{{"id":"a","at":{text}}}'.encode())
    assert row["modified_at"] == datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def test_a_key_may_lie_deep_and_be_made_of_parts() -> None:
    (row,) = rows(Head(key=("ad.id", "day")), b'{"ad":{"id":"x"},"day":"2026-03-01"}')
    assert row["id"] == "x:2026-03-01"


def test_what_has_no_key_or_no_readable_time_is_set_aside_with_its_reason() -> None:
    good, keyless, timeless = b'{"id":"1","at":"2026-03-01"}', b'{"id":null}', b'{"id":"2","at":"yesterday"}'
    columns = Cutter(Head(modified="at")).columns(Page(records=[good, keyless, timeless]))
    assert columns.batch["id"].to_pylist() == ["1"]
    assert [(r.payload, r.reason.partition(":")[2].strip()[:5]) for r in columns.rejected] == [
        (keyless.decode(), "no id"),
        (timeless.decode(), "Inval"),
    ]


def test_deleted_is_said_by_the_page_or_by_the_record() -> None:
    head = Head(deleted="archived")
    assert [r["is_deleted"] for r in rows(head, b'{"id":1,"archived":true}', b'{"id":2}')] == [True, False]
    assert [r["is_deleted"] for r in rows(head, b'{"id":2}', deleted=True)] == [True]


def test_text_that_is_not_utf8_is_an_error_and_not_another_text() -> None:
    with pytest.raises(ValueError, match="UTF8"):
        rows(Head(), b'{"id":1,"name":"\xff"}')


def test_an_envelope_gives_records_uncut_and_the_rest_by_path() -> None:
    opened = envelope(results=RECORDS, after=("paging.next.after", str), total=int)
    found = opened(b'{"results":[{"a":1.10},{"b":[1, 2]}],"paging":{"next":{"after":"x"}},"more":[]}')
    assert [bytes(r) for r in found.results] == [b'{"a":1.10}', b'{"b":[1, 2]}']
    assert (found.after, found.total) == ("x", None)


@pytest.mark.parametrize("body", [b'{"results":[{"a":1}', b"<html>", b'{"results":[{"a"=1}]}', b""])
def test_a_body_that_is_cut_short_or_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|malformed"):
        envelope(results=RECORDS)(body)


def test_an_error_told_with_status_200_is_not_the_last_page() -> None:
    sound, error = b'{"results":[]}', b'{"error":"try again"}'
    assert envelope(needs="results", results=RECORDS)(sound).results == []
    with pytest.raises(ValueError, match="no results in it"):
        envelope(needs="results", results=RECORDS)(error)


@pytest.mark.parametrize("moment", ["253402300800000", "1e300", '"inf"'])
def test_a_time_beyond_all_times_is_none_or_set_aside(moment: str) -> None:
    columns = Cutter(Head(modified="at", clock="milliseconds")).columns(
        Page(records=[b'{"id":"1","at":1767225600000}', f'{{"id":"2","at":{moment}}}'.encode()])
    )
    assert columns.batch["id"].to_pylist()[0] == "1"
    assert columns.batch.num_rows + len(columns.rejected) == 2
    assert columns.batch["modified_at"].to_pylist()[1:] in ([], [None])


def test_a_whole_number_is_the_same_key_however_it_is_written() -> None:
    assert [r["id"] for r in rows(Head(), b'{"id":7}', b'{"id":7.0}', b'{"id":"7"}', b'{"id":7.5}')] == [
        *("7", "7", "7"),
        "7.5",
    ]


def test_a_record_nested_too_deeply_is_set_aside() -> None:
    deep = b'{"id":2,"n":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    columns = Cutter(Head()).columns(Page(records=[b'{"id":1}', deep]))
    assert columns.batch["id"].to_pylist() == ["1"]
    assert [one.reason.partition(": ")[2] for one in columns.rejected] == ["it is nested too deeply"]
