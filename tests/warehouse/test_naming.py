"""Names that sort in the order in which they were given, whatever the clock said."""

from __future__ import annotations

import pytest

from warehouse.naming import following, order


@pytest.mark.parametrize(
    ("names", "day", "same", "expected"),
    [
        ([], "2026-10-31", True, "2026-10-31"),
        (["2026-10-30"], "2026-10-31", True, "2026-10-31"),
        (["2026-10-31"], "2026-10-31", True, "2026-10-31"),
        (["2026-10-31"], "2026-10-31", False, "2026-10-31-2"),
        (["2027-10-31", "2026-10-30"], "2026-10-31", True, "2026-10-31-2"),
        (["2027-10-31", "2026-10-31-2"], "2026-11-01", True, "2026-11-01-2"),
        (["2027-10-31", "2026-10-31-2"], "2026-10-31", True, "2026-10-31-2"),
        (["2026-10-31-9"], "2026-10-30", True, "2026-10-30-10"),
    ],
)
def test_a_new_name_comes_last(names: list[str], day: str, same: bool, expected: str) -> None:
    name = following(names, day, same=same)
    assert name == expected
    assert max([*names, name], key=lambda one: order(one, len(day))) == name
