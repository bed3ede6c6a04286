"""What is compared between two records, which levels of agreement there are, and what is believed before any data.

The levels are found in `sql/levels.sql`; what they weigh is learned in `learning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Levels 0 to 6 are one value, rarest to commonest; for e-mail, phone and domain from their own to widely shared.
SAME = range(7)
DIFFERENT, NOTHING = 14, 15
LEVELS = 16

_RARITY = ("very rare", "rare", "rare", "not frequent", "frequent", "frequent", "very frequent")
_SHARING = ("nobody else's", "nobody else's", "nobody else's", "one other name's", "a few other names'", "many names'")


@dataclass(frozen=True)
class Comparison:
    """One comparison of two records.

    Attributes:
        name: as in `sql/levels.sql`, where its column is `on_<name>`.
        columns: what of the comparable values it looks at.
        shares: believed share of each level among records of one person that can be compared; `same` is all of SAME.
        chances: believed share of the levels among strangers; the rest is DIFFERENT.
        says: words for the levels beside SAME and DIFFERENT.
        is_personal: whether members of a household differ in it like strangers.
        is_movable: whether people change it, so that a difference proves little.
        is_about_place: whether it only says where or with whom somebody is, which by itself is nobody's identity.
    """

    name: str
    columns: tuple[str, ...]
    shares: Mapping[int | str, float]
    chances: Mapping[int | str, float]
    says: Mapping[int, str]
    is_personal: bool = False
    is_movable: bool = False
    is_about_place: bool = False

    def words(self, level: int) -> str:
        """What a level means, for people."""
        if level in SAME:
            degrees = _SHARING if self.name in ("email", "phone", "domain") else _RARITY
            return f"same, {degrees[min(level, len(degrees) - 1)]}"
        if level == NOTHING:
            return "nothing to compare"
        return self.says.get(level, "different")


#: Where both names are the same, given and family name are not looked at again.
COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        name="name",
        columns=("given", "family"),
        shares={"same": 0.62, DIFFERENT: 0.38},
        chances={"same": 1e-5},
        says={DIFFERENT: "not both the same"},
    ),
    Comparison(
        name="given",
        columns=("given", "middle"),
        shares={"same": 0.42, 8: 0.14, 9: 0.16, 10: 0.06, 11: 0.06, 12: 0.03, DIFFERENT: 0.13},
        chances={"same": 6e-3, 8: 6e-4, 9: 1e-3, 10: 5e-3, 11: 5e-3, 12: 3e-4},
        says={8: "short form", 9: "a slip apart", 10: "initial", 11: "alike", 12: "second name"},
        is_personal=True,
    ),
    Comparison(
        name="family",
        columns=("family",),
        shares={"same": 0.45, 8: 0.20, 9: 0.05, 10: 0.02, 11: 0.06, 12: 0.04, 13: 0.02, DIFFERENT: 0.16},
        chances={"same": 1e-3, 8: 1e-3, 9: 1e-4, 10: 1e-4, 11: 5e-3, 12: 1e-5, 13: 1e-4},
        says={8: "a slip apart", 9: "part of it", 10: "initial", 11: "alike", 12: "names swapped", 13: "half swapped"},
    ),
    Comparison(
        name="birth",
        columns=("birth",),
        shares={"same": 0.88, 8: 0.05, 9: 0.03, 10: 0.015, DIFFERENT: 0.025},
        chances={"same": 5e-5, 8: 2e-3, 9: 4e-3, 10: 2e-2},
        says={8: "a slip apart", 9: "two parts of three", 10: "one part"},
        is_personal=True,
    ),
    Comparison(
        name="email",
        columns=("email",),
        shares={"same": 0.64, 8: 0.06, 9: 0.03, 10: 0.02, 11: 0.02, DIFFERENT: 0.23},
        chances={"same": 1e-6, 8: 1e-6, 9: 1e-5, 10: 3e-4, 11: 1e-7},
        says={8: "a slip apart", 9: "another domain", 10: "alike", 11: "same, made of this name"},
        is_movable=True,
    ),
    Comparison(
        name="phone",
        columns=("phone",),
        shares={"same": 0.66, 8: 0.06, DIFFERENT: 0.28},
        chances={"same": 2e-6, 8: 3e-6},
        says={8: "a slip apart"},
        is_movable=True,
    ),
    Comparison(
        name="street",
        columns=("street", "house"),
        shares={"same": 0.70, 8: 0.08, 9: 0.05, 10: 0.03, 11: 0.03, 12: 0.03, DIFFERENT: 0.08},
        chances={"same": 2e-5, 8: 3e-5, 9: 3e-3, 10: 5e-3, 11: 1e-2, 12: 3e-4},
        says={
            8: "spelt alike",
            9: "another number",
            10: "alike, another number",
            11: "only the number",
            12: "little alike",
        },
        is_movable=True,
        is_about_place=True,
    ),
    Comparison(
        name="postcode",
        columns=("postcode",),
        shares={"same": 0.80, 8: 0.06, 9: 0.04, DIFFERENT: 0.10},
        chances={"same": 1e-3, 8: 2e-3, 9: 2.4e-2},
        says={8: "a slip apart", 9: "same region"},
        is_movable=True,
        is_about_place=True,
    ),
    Comparison(
        name="city",
        columns=("city",),
        shares={"same": 0.40, 8: 0.20, DIFFERENT: 0.40},
        chances={"same": 2e-2, 8: 3e-3},
        says={8: "spelt alike"},
        is_movable=True,
        is_about_place=True,
    ),
    Comparison(
        name="organisation",
        columns=("organisation",),
        shares={"same": 0.60, 8: 0.10, 9: 0.08, 10: 0.10, 11: 0.05, DIFFERENT: 0.07},
        chances={"same": 1e-4, 8: 1e-5, 9: 1e-4, 10: 1e-4, 11: 1e-2},
        says={8: "spelt alike", 9: "longer and shorter", 10: "most words", 11: "a word"},
        is_personal=True,
    ),
    Comparison(
        name="employer",
        columns=("employer",),
        shares={"same": 0.55, 8: 0.10, DIFFERENT: 0.35},
        chances={"same": 1e-3, 8: 1e-4},
        says={8: "spelt alike"},
        is_about_place=True,
    ),
    Comparison(
        name="domain",
        columns=("domain",),
        shares={"same": 0.80, 8: 0.06, DIFFERENT: 0.14},
        chances={"same": 1e-5, 8: 1e-5},
        says={8: "another ending"},
    ),
)
NAMES = tuple(c.name for c in COMPARISONS)
POSITION = {name: position for position, name in enumerate(NAMES)}
_SAME_SOURCE_BIT = 4 * len(NAMES)

#: A pattern packs the levels of a pair, four bits each, and two flags.
PACKED = " | ".join(
    [
        *(f"(on_{name}::BIGINT << {4 * position})" for name, position in POSITION.items()),
        f"(is_same_source::BIGINT << {_SAME_SOURCE_BIT})",
        f"(is_same_id::BIGINT << {_SAME_SOURCE_BIT + 1})",
    ]
)
