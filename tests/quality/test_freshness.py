"""Sources against the freshness that their entities promise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quality.freshness import SourceLoad, judge_freshness


@pytest.fixture
def contracts(contract):
    made = [
        contract("contact", freshness_hours=48),
        contract("sales_order", freshness_hours=30),
        contract("calendar", freshness_hours=None),
    ]
    return {c.name: c for c in made}


@pytest.mark.parametrize(
    ("entities", "age_hours", "stale_for_hours"),
    [
        (("contact",), 48, None),
        (("contact",), 49, 1),
        (("contact", "sales_order"), 31, 1),
        (("sales_order",), 30, None),
        (("calendar",), 10_000, None),
        ((), 10_000, None),
    ],
)
def test_the_entity_that_has_to_be_freshest_decides(contracts, now, entities, age_hours, stale_for_hours):
    load = SourceLoad("shop", entities, now - timedelta(hours=age_hours))
    (found,) = judge_freshness([load], contracts, now)
    assert found.is_fresh == (stale_for_hours is None)
    assert found.stale_since == (None if stale_for_hours is None else now - timedelta(hours=stale_for_hours))


def test_a_stale_source_is_said_with_since_when(contracts, now):
    (found,) = judge_freshness([SourceLoad("shop", ("sales_order",), now - timedelta(hours=32))], contracts, now)
    assert found.sentence() == (
        "shop is stale since 2026-03-02 00:00 UTC: last loaded 2026-02-28 18:00 UTC, and sales_order "
        "may be 30 hours old. The warehouse holds its last good data."
    )


def test_a_source_that_never_loaded_is_not_fresh(contracts, now):
    (found,) = judge_freshness([SourceLoad("shop", ("sales_order",), None)], contracts, now)
    assert (found.is_fresh, found.stale_since) == (False, None)
    assert found.sentence() == "shop has never loaded. See the log of its ingest run."
