"""Every fault that an interface can have, against every connector: the same tables in the end, or one clear error.

An error leaves the raw file as it was, and the next load, with the fault gone, ends as an undisturbed one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.base import ConnectorError
from sandbox.faults import FaultKind
from tests.connectors.served import OPTIONS, Served, served

#: How each fault is planned: what it spares, and how often it strikes.
PLANS: dict[FaultKind, dict[str, int]] = {
    "too_many_requests": {"after": 1, "times": 4},
    "server_error": {"after": 1, "times": 2},
    "slow": {"after": 1, "times": 1},
    "cut": {"after": 1, "times": 2},
    "truncated_json": {"after": 1, "times": 2},
    "malformed_json": {"after": 1, "times": 2},
    "duplicated_page": {"after": 1, "times": 2},
    "reordered_page": {"after": 1, "times": 3},
    "moving_page": {"after": 1, "times": 2},
    "clock_skew": {"after": 1, "times": 1_000},
    "expired_token": {"after": 1, "times": 1},
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def settled(one: Served) -> dict[str, list[tuple[object, ...]]]:
    """The records after an undisturbed load from nothing."""
    one.load("undisturbed")
    return one.dump("undisturbed", live=True)


def sentence_of(one: Served) -> str | None:
    """What a load fails with, None if it does not fail."""
    try:
        one.load()
    except ConnectorError as error:
        return str(error)
    return None


@pytest.mark.parametrize("fault", PLANS)
@pytest.mark.parametrize("name", OPTIONS)
def test_a_fault_changes_nothing_in_the_end(
    name: str, fault: FaultKind, made: Path, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    with served(name, made=made, root=tmp_path) as one:
        one.load()
        one.running.sandbox.night()
        before = one.dump()
        one.running.plan(name, fault, **PLANS[fault])
        trouble = sentence_of(one)
        outcome = "same tables" if trouble is None else "one error, healed by the next load"
        if trouble is not None:
            assert "'source'" in trouble
            assert one.dump() == before
        struck = list(one.running.sandbox.faults[name].struck)
        one.running.sandbox.faults[name].clear()
        if trouble is not None or fault == "moving_page":
            # What moved while it was read is as new as the next night.
            one.load()
        assert one.dump(live=True) == settled(one)
        assert [c for c in one.load().counts if c.difference] == []
    record_property("outcome", f"{name} / {fault}: {outcome}, struck {len(struck)} times")
