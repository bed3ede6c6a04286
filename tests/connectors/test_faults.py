"""Every fault that an interface can have, against every connector: the same tables in the end, or one clear error.

An error leaves the raw file as it was, and the next load, with the fault gone, ends as an undisturbed one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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


@dataclass(frozen=True)
class Prepared:
    """A vendor a night later, what was held before that night, and what an undisturbed load of it would hold."""

    folder: Path
    held: dict[str, list[tuple[object, ...]]]
    expected: dict[str, list[tuple[object, ...]]]

    def copy(self, root: Path) -> None:
        """Lays the vendor's store, the raw file and rotated tokens into a folder."""
        for part in ("served", "raw", "secrets"):
            if (self.folder / part).exists():
                shutil.copytree(self.folder / part, root / part)


@pytest.fixture(scope="session")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Makes what the faults of a vendor need, once."""
    made = tmp_path_factory.mktemp("made")

    @cache
    def prepared(name: str) -> Prepared:
        folder = tmp_path_factory.mktemp(name)
        with served(name, made=made, root=folder) as one:
            one.load()
            held = one.dump()
            one.running.sandbox.night()
            one.load("undisturbed")
            return Prepared(folder, held, one.dump("undisturbed", live=True))

    return prepared


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
    name: str,
    fault: FaultKind,
    prepare: Callable[[str], Prepared],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    prepared = prepare(name)
    prepared.copy(tmp_path)
    with served(name, made=tmp_path, root=tmp_path) as one:
        one.running.plan(name, fault, **PLANS[fault])
        trouble = sentence_of(one)
        struck = len(one.running.sandbox.faults[name].struck)
        one.running.sandbox.faults[name].clear()
        if trouble is not None:
            assert "'source'" in trouble
            assert one.dump() == prepared.held
        expected = prepared.expected
        if fault == "moving_page":
            # What moved while it was read is as new as the next night; some vendors' times are in whole seconds.
            one.running.sandbox.wait(2)
            one.load()
            one.load("undisturbed")
            expected = one.dump("undisturbed", live=True)
        elif trouble is not None:
            one.load()
        assert one.dump(live=True) == expected
    record_property("outcome", _said(name, "a night", fault, struck, trouble))


@pytest.mark.parametrize("fault", ["cut", "duplicated_page", "reordered_page", "moving_page"])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_fault_in_a_first_load_changes_nothing_in_the_end(
    name: str,
    fault: FaultKind,
    prepare: Callable[[str], Prepared],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    prepared = prepare(name)
    prepared.copy(tmp_path)
    shutil.rmtree(tmp_path / "raw")
    with served(name, made=tmp_path, root=tmp_path) as one:
        # Lists are longer than what a night changes, so that pages can get in each other's way.
        one.running.plan(name, fault, after=2, times=3)
        trouble = sentence_of(one)
        struck = len(one.running.sandbox.faults[name].struck)
        one.running.sandbox.faults[name].clear()
        expected = prepared.expected
        if fault == "moving_page":
            one.running.sandbox.wait(2)
        if trouble is not None or fault == "moving_page":
            one.load()
        if fault == "moving_page":
            one.load("undisturbed")
            expected = one.dump("undisturbed", live=True)
        assert one.dump(live=True) == expected
    record_property("outcome", _said(name, "first load", fault, struck, trouble))


def _said(name: str, phase: str, fault: FaultKind, struck: int, trouble: str | None) -> str:
    outcome = "same tables" if trouble is None else "one error, healed by the next load"
    return f"{name:13} {phase:10} {fault:18} struck {struck:3} times: {outcome}"
