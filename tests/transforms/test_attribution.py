"""From touches to orders: literal journeys with credits worked out by hand, and chains with their removal effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.clean_tables import build, built, database
from transforms.attribution import LAPSED, ORDER, OTHER, START, touchpoint_effects
from transforms.models import build_model, load_models

#: When most orders of these tests are placed.
NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
MODELS = ("first", "last", "linear", "time_decay", "position", "data_driven")


def transitions(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"from_touchpoint": pl.String, "to_touchpoint": pl.String, "transitions": pl.Int64}, orient="row"
    )


# Two journeys A B order, two A nothing, one B order, one B nothing.
CHAIN = transitions(
    (START, "A", 4), (START, "B", 2), ("A", "B", 2), ("A", LAPSED, 2), ("B", ORDER, 3), ("B", LAPSED, 1)
)  # fmt: skip


def test_removal_effects_are_what_removing_does() -> None:
    # From the start to A 2/3 and to B 1/3; from A to B 1/2; from B to an order 3/4.
    # Orders: (2/3 · 1/2 + 1/3) · 3/4 = 1/2. Without A: 1/3 · 3/4 = 1/4, half is lost. Without B: none, all is lost.
    found = touchpoint_effects(CHAIN, fewest_orders=3)
    assert found.rows() == [
        ("A", "A", "markov", 4, 0.5, pytest.approx(1 / 3, abs=1e-9)),
        ("B", "B", "markov", 4, 1.0, pytest.approx(2 / 3, abs=1e-9)),
    ]


def test_a_chain_that_comes_back() -> None:
    # One journey A B A order, one A nothing. From A: to B, to an order and to nothing 1/3 each, from B back to A.
    # Orders from A: p = 1/3 + 1/3 · p, so p = 1/2. Without B: 1/3, a third is lost. Without A all is lost.
    found = touchpoint_effects(
        transitions((START, "A", 2), ("A", "B", 1), ("B", "A", 1), ("A", ORDER, 1), ("A", LAPSED, 1)), fewest_orders=1
    )
    assert found["removal_effect"].to_list() == pytest.approx([1, 1 / 3], abs=1e-9)
    assert found["weight"].to_list() == pytest.approx([3 / 4, 1 / 4], abs=1e-9)


def test_staying_where_one_is_changes_nothing() -> None:
    assert touchpoint_effects(pl.concat([CHAIN, transitions(("A", "A", 7))]), fewest_orders=3).equals(
        touchpoint_effects(CHAIN, fewest_orders=3)
    )


def test_rare_touchpoints_share_a_state() -> None:
    # Three journeys A B C order, one C order, one A nothing: A and C are visited 4 times, B 3 times. With one state to
    # give, A has it by name; B and C are other. From the start to A 4/5 and to other 1/5, from A to other 3/4, from
    # other to an order 1. Orders: 4/5 · 3/4 + 1/5 = 4/5. Without A: 1/5, so 3/4 is lost. Without other all is lost.
    found = touchpoint_effects(
        transitions(
            (START, "A", 4), (START, "C", 1), ("A", "B", 3), ("B", "C", 3), ("C", ORDER, 4), ("A", LAPSED, 1)
        ),
        most_states=1,
        fewest_orders=4,
    )  # fmt: skip
    assert found.select("touchpoint", "state", "visits").rows() == [("A", "A", 4), ("B", OTHER, 3), ("C", OTHER, 4)]
    assert found["removal_effect"].to_list() == pytest.approx([3 / 4, 1, 1], abs=1e-9)
    assert found["weight"].to_list() == pytest.approx([3 / 7, 4 / 7, 4 / 7], abs=1e-9)


def test_too_few_orders_teach_nothing_and_it_is_said() -> None:
    assert touchpoint_effects(CHAIN, fewest_orders=4).rows() == [
        ("A", "A", "linear", 4, None, None),
        ("B", "B", "linear", 4, None, None),
    ]
    assert touchpoint_effects(CHAIN)["method"].unique().to_list() == ["linear"]
    assert touchpoint_effects(transitions()).height == 0


walks = st.lists(
    st.tuples(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5), st.booleans()), min_size=1, max_size=12
)


@given(walks, st.randoms(use_true_random=False))
def test_effects_agree_with_taking_each_touchpoint_out(journeys: list[tuple[list[str], bool]], random: Any) -> None:
    steps = [
        pair
        for path, ordered in journeys
        for pair in zip([START, *path], [*path, ORDER if ordered else LAPSED], strict=True)
    ]
    random.shuffle(steps)
    counted = pl.DataFrame(steps, schema=["from_touchpoint", "to_touchpoint"], orient="row").group_by(pl.all())
    found = touchpoint_effects(counted.agg(transitions=pl.len().cast(pl.Int64)), fewest_orders=1)
    if not any(ordered for _, ordered in journeys):
        assert set(found["method"]) == {"linear"}
        return
    whole = chance_of_order(steps, without=None)
    expected = {name: 1 - chance_of_order(steps, without=name) / whole for name in found["touchpoint"]}
    assert dict(found.select("touchpoint", "removal_effect").iter_rows()) == pytest.approx(expected, abs=1e-8)
    assert found["weight"].sum() == pytest.approx(1, abs=1e-8)


def chance_of_order(steps: Sequence[tuple[str, str]], without: str | None) -> float:
    """Straight from the definition: the chain with every step to the touchpoint leading to nothing, solved as it is."""
    names = sorted({name for name, _ in steps})
    chain, orders = np.eye(len(names)), np.zeros(len(names))
    for row, name in enumerate(names):
        targets = [target for source, target in steps if source == name]
        for target in targets:
            if target == ORDER:
                orders[row] += 1 / len(targets)
            elif target not in (LAPSED, without):
                chain[row, names.index(target)] -= 1 / len(targets)
    return float(np.linalg.solve(chain, orders)[names.index(START)])


def click(who: str | None, before: timedelta, channel: str | None = "email", **columns: Any) -> dict[str, Any]:
    """A click, so long before noon of the orders' day."""
    row = {"source": "mail", "email": who, "channel": channel, "kind": "click", "occurred_at": NOON - before}
    return {**row, **columns}


def order(who: str | None, after: timedelta = timedelta(0), **columns: Any) -> dict[str, Any]:
    row = {"email": who, "status": "paid", "currency": "EUR", "total": 100, "ordered_at": NOON + after}
    return {**row, **columns}


def company(**rows: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows with ids where they have none: the entity's first letter and their place."""
    return {
        entity: [{"source_id": f"{entity[0]}{place}", **row} for place, row in enumerate(listed, 1)]
        for entity, listed in rows.items()
    }


def days(number: float) -> timedelta:
    return timedelta(days=number)


def path(con: duckdb.DuckDBPyConnection, order_id: str) -> list[str]:
    """The touchpoints of an order's journey, in order of time."""
    query = "SELECT touchpoint FROM core.journey WHERE order_id = ? ORDER BY position"
    return [touchpoint for (touchpoint,) in con.execute(query, [f"shop:{order_id}"]).fetchall()]


def credits(con: duckdb.DuckDBPyConnection, order_id: str, model: str) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Credit and revenue by campaign, or by channel where there is none."""
    query = """SELECT CASE WHEN campaign_id = '(none)' THEN channel ELSE campaign_id END, credit, credited_revenue_base
               FROM mart.attribution WHERE order_id = ? AND model = ?"""
    return {name: (credit, money) for name, credit, money in con.execute(query, [f"shop:{order_id}", model]).fetchall()}


def shares(con: duckdb.DuckDBPyConnection, order_id: str, model: str) -> dict[str, str]:
    return {name: f"{credit:f}" for name, (credit, _) in credits(con, order_id, model).items()}


def test_every_model_shares_as_it_says() -> None:
    rows = company(
        marketing_touch=[
            click("three@x.de", days(14), "social"), click("three@x.de", days(7)),
            click("again@x.de", days(14), "social"), click("again@x.de", days(7)),
            click("again@x.de", days(0), "social"),
            click("four@x.de", days(4), "social"), click("four@x.de", days(3)),
            click("four@x.de", days(2), "affiliate"),
            click("two@x.de", days(1), "social"), click("two@x.de", days(0)),
        ],
        sales_order=[
            order("three@x.de", utm_medium="CPC ", utm_source="google"), order("again@x.de"),
            order("four@x.de", utm_medium="cpc"), order("two@x.de"), order("nobody@x.de"),
        ],
    )  # fmt: skip
    with built(rows) as con:
        three, again, four, two, none = ("s1", "s2", "s3", "s4", "s5")
        assert path(con, three) == ["channel=social", "channel=email", "channel=cpc"]
        assert path(con, again) == ["channel=social", "channel=email", "channel=social"]

        assert credits(con, three, "first") == {"social": (1, 100)}
        assert credits(con, three, "last") == {"cpc": (1, 100)}
        thirds = {"social": "0.333333", "email": "0.333333", "cpc": "0.333334"}
        assert shares(con, three, "linear") == thirds
        assert [money for _, money in credits(con, three, "linear").values()].count(Decimal("33.3333")) == 2
        assert credits(con, three, "linear")["cpc"][1] == Decimal("33.3334")
        # Two half-lives before the last touch, one, none: 1/4 : 1/2 : 1, of 7/4.
        assert shares(con, three, "time_decay") == {"social": "0.142857", "email": "0.285714", "cpc": "0.571429"}
        assert shares(con, three, "position") == {"social": "0.400000", "email": "0.200000", "cpc": "0.400000"}
        # Two touches of one channel, the last among them, add up: 1 + 1 of 3, 1/4 + 1 of 7/4, 40 + 40 %.
        assert shares(con, again, "linear") == {"social": "0.666667", "email": "0.333333"}
        assert shares(con, again, "time_decay") == {"social": "0.714286", "email": "0.285714"}
        assert shares(con, again, "position") == {"social": "0.800000", "email": "0.200000"}
        assert credits(con, again, "first") == credits(con, again, "last") == {"social": (1, 100)}
        middle = {"email": "0.100000", "affiliate": "0.100000"}
        assert shares(con, four, "position") == {"social": "0.400000", **middle, "cpc": "0.400000"}
        assert shares(con, two, "position") == {"social": "0.500000", "email": "0.500000"}
        for model in MODELS:
            assert credits(con, none, model) == {"(none)": (1, 100)}

        # Five orders teach nothing: data_driven is linear, and says so.
        assert shares(con, three, "data_driven") == thirds
        said = "SELECT model, bool_and(is_fallback), bool_or(is_fallback) FROM mart.attribution GROUP BY 1 ORDER BY 1"
        assert con.execute(said).fetchall() == [(m, m == "data_driven", m == "data_driven") for m in sorted(MODELS)]


def test_data_driven_credit_follows_the_weights_of_what_was_touched() -> None:
    touches = [
        click("a@x.de", days(3), "social"), click("a@x.de", days(2)), click("a@x.de", days(1), "social"),
        click("b@x.de", days(3), "social"), click("b@x.de", days(2), "rare"), click("b@x.de", days(1), "rarer"),
        click("c@x.de", days(1), "rare"),
    ]  # fmt: skip
    rows = company(marketing_touch=touches, sales_order=[order("a@x.de"), order("b@x.de"), order("c@x.de")])
    with built(rows) as con:
        con.execute("DELETE FROM mart.touchpoint_effect")
        weights = [("social", "social", 0.5), ("email", "email", 0.125), ("rare", OTHER, 0.3), ("rarer", OTHER, 0.3)]
        for name, state, weight in weights:
            learned = [f"channel={name}", state, "markov", 9, 0.5, weight]
            con.execute("INSERT INTO mart.touchpoint_effect VALUES (?, ?, ?, ?, ?, ?)", learned)
        build_model(con, load_models()["mart.attribution"])
        # 0.5 and 0.125 of 0.625, however often each was touched.
        assert shares(con, "s1", "data_driven") == {"social": "0.800000", "email": "0.200000"}
        # 0.5 and 0.3 of 0.8; what shares a state shares its weight.
        assert shares(con, "s2", "data_driven") == {"social": "0.625000", "rare": "0.187500", "rarer": "0.187500"}
        assert shares(con, "s3", "data_driven") == {"rare": "1.000000"}
        assert con.execute("SELECT count(*) FROM mart.attribution WHERE is_fallback").fetchall() == [(0,)]


def test_a_hundred_orders_are_enough_to_learn_from() -> None:
    # The chain of CHAIN, forty times: A is social, B is e-mail; those who never ordered are visitors.
    ordered = [f"{n}@x.de" for n in range(120)]
    touches = [click(who, days(2), "social") for who in ordered[:80]] + [click(who, days(1)) for who in ordered]
    touches += [click(None, days(60), "social", visitor_id=f"v{n}") for n in range(80)]
    touches += [click(None, days(60), visitor_id=f"w{n}") for n in range(40)]
    with built(company(marketing_touch=touches, sales_order=[order(who) for who in ordered])) as con:
        effects = "SELECT touchpoint, method, round(weight, 6) FROM mart.touchpoint_effect ORDER BY 1"
        assert con.execute(effects).fetchall() == [
            ("channel=email", "markov", 0.666667),
            ("channel=social", "markov", 0.333333),
        ]
        assert shares(con, "s1", "data_driven") == {"social": "0.333333", "email": "0.666667"}
        assert shares(con, "s120", "data_driven") == {"email": "1.000000"}


def test_a_journey_has_what_came_since_the_order_before_and_not_too_long_ago() -> None:
    second = timedelta(seconds=1)
    rows = company(
        marketing_touch=[
            click("edge@x.de", days(30) + second, "too_early"), click("edge@x.de", days(30), "just_in_time"),
            click("after@x.de", -second, "after"),
            click("twice@x.de", days(3), "before_both"), click("twice@x.de", days(1), "between"),
            click("drop@x.de", days(3), "before_cancelled"),
            click("tie@x.de", days(0), "at_once"), click("own@x.de", second),
            click("same@x.de", days(1), "b_second", source_id="z2"),
            click("same@x.de", days(1), "a_first", source_id="z1"),
        ],
        sales_order=[
            order("edge@x.de"), order("after@x.de"), order("twice@x.de", -days(2)), order("twice@x.de"),
            order("twice@x.de", days(1)), order("drop@x.de", -days(1), status="cancelled", utm_medium="cpc"),
            order("drop@x.de"), order("tie@x.de", utm_medium="cpc"), order("tie@x.de", utm_medium="video"),
            order("same@x.de"), order(None, utm_medium="cpc"), order(None), order("own@x.de", utm_medium="email"),
        ],
    )  # fmt: skip
    with built(rows) as con:
        found = {f"s{n}": [t.removeprefix("channel=") for t in path(con, f"s{n}")] for n in range(1, 14)}
        assert found == {
            "s1": ["just_in_time"], "s2": [], "s3": ["before_both"], "s4": ["between"], "s5": [],
            "s6": [], "s7": ["before_cancelled"], "s8": ["at_once", "cpc"], "s9": ["video"],
            "s10": ["a_first", "b_second"], "s11": ["cpc"], "s12": [], "s13": ["email"],
        }  # fmt: skip
        assert credits(con, "s6", "last") == {}
        assert credits(con, "s11", "linear") == {"cpc": (1, 100)}
        assert credits(con, "s12", "linear") == {"(none)": (1, 100)}
        lost = "SELECT channel, outcome FROM core.journey WHERE order_id IS NULL ORDER BY 1"
        assert con.execute(lost).fetchall() == [("after", "open"), ("too_early", "lapsed")]


def test_the_company_says_how_long_a_touch_counts() -> None:
    rows = company(marketing_touch=[click("a@x.de", days(10))], sales_order=[order("a@x.de")])
    with database(rows) as con:
        assert path(build(con), "s1") == ["channel=email"]
        con.execute("UPDATE meta.setting SET value = 9")
        assert path(build(con), "s1") == []
        assert con.execute("SELECT outcome FROM core.journey").fetchall() == [("lapsed",)]


CAMPAIGNS = [
    {"source": "ads", "source_id": "g", "name": "Spring", "platform": "google", "channel": "paid search"},
    {"source": "ads", "source_id": "m", "name": "Autumn", "platform": "meta", "channel": "paid social"},
]


def test_what_an_order_tells_is_a_touch_unless_the_last_one_says_the_same() -> None:
    spring = {"campaign": "spring", "utm_source": "google", "utm_medium": "cpc"}
    visit = {"source": "web", "traffic_source": "google", "medium": "cpc", "campaign_name": "Spring"}
    rows = company(
        campaign=CAMPAIGNS,
        contact=[{"source": "web", "source_id": who, "email": f"{who}@x.de"} for who in ("same", "other", "old")],
        marketing_touch=[click("other@x.de", days(1))],
        web_session=[
            {**visit, "contact_id": who, "started_at": NOON - days(before)}
            for who, before in (("same", 5), ("other", 5), ("old", 31))
        ],
        sales_order=[
            order("same@x.de", **spring), order("other@x.de", **spring), order("old@x.de", **spring),
            order("new@x.de", **spring), order("lost@x.de", campaign="who knows"),
        ],
    )  # fmt: skip
    with built(rows) as con:
        assert path(con, "s1") == ["ads:g"]
        assert path(con, "s2") == ["ads:g", "channel=email", "ads:g"]
        assert path(con, "s3") == ["ads:g"]
        assert path(con, "s4") == ["ads:g"]
        assert path(con, "s5") == ["channel=(unknown)"]
        told = "SELECT order_id, kind, touch_id, channel FROM core.journey WHERE position = 1 AND outcome = 'order'"
        assert con.execute(f"{told} ORDER BY 1 LIMIT 3").fetchall() == [
            ("shop:s1", "visit", "visit:web:w1", "paid search"),
            ("shop:s2", "visit", "visit:web:w2", "paid search"),
            ("shop:s3", "order", "order:shop:s3", "paid search"),
        ]
        assert shares(con, "s2", "linear") == {"ads:g": "0.666667", "email": "0.333333"}
        assert shares(con, "s2", "last") == {"ads:g": "1.000000"}


def test_only_what_somebody_did_is_a_touch() -> None:
    seen = [click(f"{kind}@x.de", days(1), kind=kind) for kind in ("sent", "open", "bounce", "unsubscribe")]
    done = [click(f"{kind}@x.de", days(1), kind=kind) for kind in ("click", "Visit", "form", "submit")]
    vague = [click("vague@x.de", days(1), None), click("direct@x.de", days(1), "direct", kind="visit")]
    touches = [*seen, *done, *vague]
    rows = company(marketing_touch=touches, sales_order=[order(touch["email"]) for touch in touches])
    with built(rows) as con:
        found = [path(con, f"s{n}") for n in range(1, 11)]
        assert found == [*[[]] * 4, *[["channel=email"]] * 4, ["channel=(unknown)"], []]
        assert con.execute("SELECT count(*) FROM core.journey").fetchall() == [(5,)]


def test_one_visit_that_is_recorded_twice_is_one_touch() -> None:
    minutes = [timedelta(minutes=m) for m in (100, 80, 60, 55, 54, 10, 0)]
    channels = ["email", "email", "social", "email", "email", "email", "social"]
    touches = [click("a@x.de", *one) for one in zip(minutes, channels, strict=True)]
    with built(company(marketing_touch=touches, sales_order=[order("a@x.de")])) as con:
        query = "SELECT touch_id, position FROM core.journey ORDER BY position"
        kept = ["touch:mail:m2", "touch:mail:m3", "touch:mail:m5", "touch:mail:m6", "touch:mail:m7"]
        assert con.execute(query).fetchall() == [(touch, place) for place, touch in enumerate(kept, 1)]


def test_of_a_visit_on_the_edge_of_the_window_the_part_inside_counts() -> None:
    touches = [click("a@x.de", days(30) + timedelta(minutes=m)) for m in (10, -10)]
    rows = company(marketing_touch=touches, sales_order=[order("a@x.de", utm_medium="email")])
    with built(rows) as con:
        assert path(con, "s1") == ["channel=email"]
        assert con.execute("SELECT touch_id FROM core.journey").fetchall() == [("touch:mail:m2",)]


def test_visitors_are_known_once_they_gave_a_name_and_nobody_else_did() -> None:
    def visit(visitor: str | None, before: float, who: str | None = None, **columns: Any) -> dict[str, Any]:
        row = {"source": "web", "visitor_id": visitor, "contact_id": who, "started_at": NOON - days(before)}
        return {**row, "traffic_source": "bing", "medium": "organic", **columns}

    visits = [
        visit("mine", 9), visit("mine", 2, "a", medium="email"),
        visit("shared", 8), visit("shared", 7, "a", medium="(none)", traffic_source="(direct)"),
        visit("shared", 6, "b", medium="referral"),
        visit("mine", 3, source="other"),
        visit(None, 1, sessions=40),
        visit("bookmark", 1, medium="(none)", traffic_source="(direct)"),
        visit("typed", 1, medium=None, traffic_source=None),
        visit("named", 50, medium=None, traffic_source=None, campaign_name="Gone"),
    ]  # fmt: skip
    contacts = [{"source": "web", "source_id": who, "email": f"{who}@x.de"} for who in ("a", "b")]
    with built(company(contact=contacts, web_session=visits, sales_order=[order("a@x.de"), order("b@x.de")])) as con:
        assert path(con, "s1") == ["channel=organic", "channel=email"]
        assert path(con, "s2") == ["channel=referral"]
        query = (
            "SELECT journey_id, outcome, customer_id, touchpoint FROM core.journey WHERE order_id IS NULL ORDER BY 1"
        )
        assert con.execute(query).fetchall() == [
            ("visit:other:w6", "open", None, "channel=organic"),
            ("visit:web:w10", "lapsed", None, "channel=(unknown)"),
            ("visit:web:w3", "open", None, "channel=organic"),
        ]


def test_journeys_to_nowhere_end_where_nothing_happens_for_too_long() -> None:
    # The night is for 31 March: what was touched on 1 March has had its 30 days, on 2 March not.
    night = datetime(2024, 3, 31, 12, tzinfo=UTC)
    before = [("a", 100), ("a", 70), ("a", 39), ("b", 60), ("b", 30), ("c", 29), ("c", 59)]
    touches = [
        click(None, timedelta(0), f"{who}{day}", visitor_id=who, occurred_at=night - days(day)) for who, day in before
    ]
    with built(company(marketing_touch=touches)) as con:
        query = "SELECT journey_id, outcome, list(channel ORDER BY position) FROM core.journey GROUP BY 1, 2 ORDER BY 1"
        assert con.execute(query).fetchall() == [
            ("touch:mail:m1", "lapsed", ["a100", "a70"]),
            ("touch:mail:m3", "lapsed", ["a39"]),
            ("touch:mail:m4", "lapsed", ["b60", "b30"]),
            ("touch:mail:m7", "open", ["c59", "c29"]),
        ]
        query = "SELECT * FROM mart.touchpoint_transition ORDER BY ALL"
        assert con.execute(query).fetchall() == [
            ("(start)", "channel=a100", 1), ("(start)", "channel=a39", 1), ("(start)", "channel=b60", 1),
            ("channel=a100", "channel=a70", 1), ("channel=a39", "(lapsed)", 1), ("channel=a70", "(lapsed)", 1),
            ("channel=b30", "(lapsed)", 1), ("channel=b60", "channel=b30", 1),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("net", "parts"),
    [
        ("0", ["0", "0", "0"]),
        ("10", ["3.3333", "3.3333", "3.3334"]),
        ("-10", ["-3.3333", "-3.3333", "-3.3334"]),
        ("0.0001", ["0", "0", "0.0001"]),
        ("99999999999999.9999", ["33333299999999.9999", "33333299999999.9999", "33333400000000.0001"]),
        (None, [None, None, None]),
    ],
)
def test_revenue_is_shared_to_the_last_digit(net: str | None, parts: list[str | None]) -> None:
    touches = [click("a@x.de", days(3), "c"), click("a@x.de", days(2), "b"), click("a@x.de", days(1), "a")]
    with built(company(marketing_touch=touches, sales_order=[order("a@x.de")])) as con:
        con.execute("UPDATE core.sales_order SET net_revenue_base = ?", [net])
        build_model(con, load_models()["mart.attribution"])
        found = credits(con, "s1", "linear")
        assert [found[name][1] for name in "cba"] == [part if part is None else Decimal(part) for part in parts]
        assert credits(con, "s1", "first") == {"c": (1, net if net is None else Decimal(net))}


def test_refunded_orders_are_credited_without_revenue() -> None:
    touches = [click("a@x.de", days(2)), click("a@x.de", days(1), "social")]
    orders = [order("a@x.de", status="refunded"), order("b@x.de", currency="CHF", utm_medium="cpc")]
    with built(company(marketing_touch=touches, sales_order=orders)) as con:
        half = Decimal("0.5")
        assert credits(con, "s1", "linear") == {"email": (half, 0), "social": (half, 0)}
        assert credits(con, "s2", "linear") == {"cpc": (1, None)}


def test_days_add_up_under_each_model() -> None:
    rows = company(
        campaign=CAMPAIGNS,
        ad_performance=[
            {"source": "ads", "campaign_id": "g", "date": date(2024, 3, 20), "spend": 20, "currency": "EUR"},
            {"source": "ads", "campaign_id": "g", "date": date(2024, 3, 19), "spend": 5, "currency": "EUR"},
            {"source": "ads", "date": date(2024, 3, 20), "spend": 7, "currency": "EUR"},
        ],
        marketing_touch=[click("a@x.de", days(2))],
        sales_order=[
            order("a@x.de", campaign="Spring"),
            order("b@x.de", total=50),
            order("b@x.de", -days(1), total=10),
        ],
    )
    with built(rows) as con:
        columns = """date, campaign_id, channel, campaign_name, platform, credited_orders, credited_new_customers,
                     credited_revenue_base, spend_base, roas, cac_base"""
        query = f"SELECT {columns} FROM mart.attribution_daily WHERE model = ? ORDER BY 1, 2, 3"
        day, half = date(2024, 3, 20), Decimal("0.5")
        before = [
            (date(2024, 3, 19), "(none)", "(none)", "(none)", "(none)", 1, 1, 10, 0, None, None),
            (date(2024, 3, 19), "ads:g", "paid search", "Spring", "google", 0, 0, 0, 5, 0.0, None),
        ]
        assert con.execute(query, ["linear"]).fetchall() == [
            *before,
            (day, "(none)", "(none)", "(none)", "(none)", 1, 0, 50, 7, None, None),
            (day, "(none)", "email", "(none)", "(none)", half, half, 50, 0, None, None),
            (day, "ads:g", "paid search", "Spring", "google", half, half, 50, 20, 2.5, 40.0),
        ]
        assert con.execute(query, ["first"]).fetchall() == [
            *before,
            (day, "(none)", "(none)", "(none)", "(none)", 1, 0, 50, 7, None, None),
            (day, "(none)", "email", "(none)", "(none)", 1, 1, 100, 0, None, None),
            (day, "ads:g", "paid search", "Spring", "google", 0, 0, 0, 20, 0.0, None),
        ]
        share = "SELECT value FROM mart.metric_daily WHERE metric = 'traced_order_share' AND date = '2024-03-20'"
        assert con.execute(share).fetchall() == [(0.5,)]


people = st.sampled_from([None, "a@x.de", "b@x.de"])
moments = st.integers(0, 90).map(lambda half_days: NOON - timedelta(hours=12 * half_days))
words = st.sampled_from([None, "email", "social", "(none)"])
ids = st.sampled_from([f"{n}" for n in range(9)])


def some(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.fixed_dictionaries({"source_id": ids, **columns}), max_size=8, unique_by=lambda r: r["source_id"]
    )


companies = st.fixed_dictionaries(
    {
        "campaign": st.just(CAMPAIGNS),
        "contact": st.just([{"source_id": "a", "email": "a@x.de"}, {"source_id": "b", "email": "b@x.de"}]),
        "marketing_touch": some(
            email=people,
            visitor_id=st.sampled_from([None, "v", "w"]),
            campaign_name=st.sampled_from([None, "Spring", "Winter"]),
            channel=words,
            kind=st.sampled_from(["click", "open", "form"]),
            occurred_at=moments,
        ),
        "web_session": some(
            contact_id=st.sampled_from([None, "a", "b"]),
            visitor_id=st.sampled_from([None, "v", "w"]),
            campaign_name=st.sampled_from([None, "Spring"]),
            traffic_source=st.sampled_from([None, "google"]),
            medium=words,
            started_at=moments,
        ),
        "sales_order": some(
            email=people,
            status=st.sampled_from(["paid", "cancelled", "refunded"]),
            currency=st.sampled_from(["EUR", "EUR", "CHF"]),
            total=st.integers(0, 10_000).map(lambda cents: Decimal(cents) / 100),
            campaign=st.sampled_from([None, "Spring", "Autumn", "x"]),
            utm_source=st.sampled_from([None, "google"]),
            utm_medium=words,
            ordered_at=moments,
        ),
    }
)


@settings(deadline=None, max_examples=15)
@given(companies)
def test_credit_never_goes_missing(data: dict[str, list[dict[str, Any]]]) -> None:
    with built(data) as con:
        expected = con.execute(
            "SELECT order_id, net_revenue_base FROM core.sales_order WHERE is_counted ORDER BY 1"
        ).fetchall()
        for model in MODELS:
            found = "SELECT order_id, sum(credited_revenue_base), sum(credit), min(credit) > 0 FROM mart.attribution"
            assert con.execute(f"{found} WHERE model = '{model}' GROUP BY 1 ORDER BY 1").fetchall() == [
                (order_id, net, 1, True) for order_id, net in expected
            ]
        named = """SELECT count(*) FROM core.sales_order AS o JOIN mart.attribution AS a USING (order_id)
                   WHERE a.model = 'last' AND o.campaign_id <> a.campaign_id"""
        assert con.execute(named).fetchall() == [(0,)]
        gaps = "SELECT 1 FROM core.journey GROUP BY journey_id HAVING max(position) <> count(*) OR min(position) <> 1"
        assert con.execute(gaps).fetchall() == []
