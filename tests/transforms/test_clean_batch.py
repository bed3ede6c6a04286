"""A batch as a whole: no row is lost, all reasons are told, and where a batch ends does not matter."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.transforms.issues import merged_issues
from tests.transforms.test_clean_values import CONTEXT, column, contract_of
from transforms.clean import Formats, clean_batch, sniff_formats
from transforms.clean.batch import RULES, first_examples
from warehouse.contracts import entities

KINDS = sorted(RULES)


def rows(**columns: list[Any] | pl.Series) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    return pl.DataFrame({"source": ["s"] * count, "source_id": [str(i) for i in range(count)]} | columns)


def test_every_semantic_type_of_the_contracts_has_a_rule() -> None:
    used = {c.semantic_type for contract in entities().values() for c in contract.columns}
    assert used <= RULES.keys()


def test_all_reasons_of_a_row_are_told_and_good_rows_pass() -> None:
    contract = contract_of(
        column("money", "total", required=True, minimum=0),
        column("category", "status", required=True, enum=("open",)),
        column("percent", "share_pct", maximum=100),
    )
    frame = rows(total=["-1", "5", None], status=["odd", "open", "Open"], share_pct=["101", "100", "-"])
    cleaned = clean_batch(frame, contract, CONTEXT)
    assert cleaned.accepted["source_id"].to_list() == ["1"]
    assert cleaned.quarantined.select("source_id", "reasons").rows() == [
        ("0", ["below_minimum: total", "not_in_enum: status", "above_maximum: share_pct"]),
        ("2", ["missing: total"]),
    ]
    assert json.loads(cleaned.quarantined["row"][0])["status"] == "odd"


def test_row_without_id_or_mandatory_column_is_quarantined() -> None:
    frame = pl.DataFrame({"source": ["s", "s"], "source_id": ["1", None]})
    cleaned = clean_batch(frame, contract_of(column("text", required=True)), CONTEXT)
    assert cleaned.quarantined["reasons"].to_list() == [["missing: value"], ["missing: source_id", "missing: value"]]


def test_original_keeps_what_was_said_where_more_than_the_type_changed() -> None:
    contract = contract_of(column("money", "total"), column("label", "kind"), column("email", "email"))
    frame = rows(total=["1.50", "1,50"], kind=["call", 'A "B"\n'], email=["a@b.de", "nope"])
    original = clean_batch(frame, contract, CONTEXT).accepted["original"].to_list()
    assert original[0] is None
    assert json.loads(original[1]) == {"total": "1,50", "kind": 'A "B"\n', "email": "nope"}


def test_currency_beside_an_amount_fills_the_empty_column_and_must_not_contradict_it() -> None:
    contract = contract_of(column("money", "total", currency_column="currency"), column("currency", "currency"))
    frame = rows(total=["5 €", "5 €", "$5", "kr 5", "5 USD", "5"], currency=[None, "USD", "CAD", "SEK", "n/a", None])
    accepted = clean_batch(frame, contract, CONTEXT).accepted
    five = Decimal(5)
    assert accepted.select("total", "currency").rows() == [
        (five, "EUR"),
        (None, "USD"),
        (five, "CAD"),
        (five, "SEK"),
        (five, "USD"),
        (five, None),
    ]


def test_full_name_follows_from_its_parts() -> None:
    contract = contract_of(*(column("person_name", n) for n in ("full_name", "given_name", "family_name")))
    frame = rows(full_name=[None, "Bo Ek", None], given_name=["ANNA", None, "Bo"], family_name=["meier", None, None])
    accepted = clean_batch(frame, contract, CONTEXT).accepted
    assert accepted["full_name"].to_list() == ["Anna Meier", "Bo Ek", None]
    assert accepted["given_name"].to_list() == ["Anna", None, "Bo"]


def test_phone_is_read_by_the_country_of_its_row() -> None:
    contract = contract_of(column("phone", "phone"), column("country", "country"))
    frame = rows(phone=["020 7946 0958", "030 901820"], country=["England", None])
    assert clean_batch(frame, contract, CONTEXT).accepted["phone"].to_list() == ["+442079460958", "+4930901820"]


def test_examples_are_distinct_and_at_most_five() -> None:
    frame = rows(value=["NA", "n/a", "n/a", "-", "?", "null", "none", "unknown", "ok"])
    issues = clean_batch(frame, contract_of(column("text")), CONTEXT).issues
    assert issues.select("kind", "reason", "row_count").rows() == [("changed", "placeholder", 8)]
    assert [e["before"] for e in json.loads(issues["examples"][0])] == ["NA", "n/a", "-", "?", "null"]


@pytest.mark.parametrize(
    ("kind", "said", "values"),
    [
        ("money", ["1.234", "5,50"], [Decimal(1234), Decimal("5.5")]),
        ("money", ["1.234", "5.50"], [Decimal("1.234"), Decimal("5.5")]),
        ("money", ["1,234", "0,5"], [Decimal("1.234"), Decimal("0.5")]),
        ("integer", ["1.000", "1.234"], [1000, 1234]),
        ("date", ["03/04/2024", "12/31/2024"], ["2024-03-04", "2024-12-31"]),
        ("date", ["03-04-2024", "31-12-2024"], ["2024-04-03", "2024-12-31"]),
    ],
)
def test_other_values_of_the_column_decide_and_then_nothing_is_ambiguous(
    kind: str, said: list[str], values: list[Any]
) -> None:
    cleaned = clean_batch(rows(value=said), contract_of(column(kind)), CONTEXT)
    found = cleaned.accepted["value"].to_list()
    assert [str(v) if kind == "date" else v for v in found] == values
    assert not any(r.startswith("ambiguous") for r in cleaned.issues["reason"])


def test_contradicting_evidence_is_counted_as_ambiguous() -> None:
    cleaned = clean_batch(rows(value=["1.234", "5,5", "6,5", "7.5"]), contract_of(column("money")), CONTEXT)
    assert cleaned.accepted["value"][0] == Decimal(1234)
    assert "ambiguous_number" in cleaned.issues["reason"].to_list()


ANY_TEXT = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.text(alphabet="0123456789.,-/: €$()'+T%eE", max_size=20),
    st.text(alphabet="aA ÃâÂ\u0301\u200bẞİǅ,.'@-_", max_size=20),
)
EVERY_KIND = contract_of(
    *(column(kind, kind, enum=("past_due",) if kind == "category" else ()) for kind in KINDS),
    column("integer", "needed", required=True, minimum=3),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(*(ANY_TEXT for _ in KINDS), ANY_TEXT), min_size=1, max_size=6), st.integers(1, 4))
def test_any_text_is_survived_and_no_row_is_lost(said: list[tuple[str | None, ...]], cut: int) -> None:
    frame = pl.DataFrame(said, schema=dict.fromkeys([*KINDS, "needed"], pl.String), orient="row")
    ids = pl.Series("source_id", [str(i) for i in range(len(said))])
    frame = frame.with_columns(pl.lit("s").alias("source"), ids)
    whole = clean_batch(frame, EVERY_KIND, CONTEXT)
    back = sorted([*whole.accepted["source_id"], *whole.quarantined["source_id"]])
    assert back == sorted(ids)

    formats = sniff_formats(frame, EVERY_KIND)
    parts = [frame.slice(at, cut) for at in range(0, frame.height, cut)]
    assert sum((sniff_formats(part, EVERY_KIND) for part in parts), Formats()) == formats
    done = [clean_batch(part, EVERY_KIND, CONTEXT, formats) for part in parts]
    assert pl.concat([d.accepted for d in done]).equals(whole.accepted)
    assert pl.concat([d.quarantined for d in done]).equals(whole.quarantined)
    assert pl.concat([d.notes for d in done]).equals(whole.notes)
    assert first_examples(d.examples for d in done).equals(first_examples([whole.examples]))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(KINDS), st.lists(ANY_TEXT, min_size=1, max_size=6))
@example("person_name", ["AA.İ"])
def test_cleaning_what_is_clean_changes_nothing(kind: str, said: list[str | None]) -> None:
    contract = contract_of(column(kind, enum=("past_due",) if kind == "category" else ()))
    once = clean_batch(rows(value=pl.Series(said, dtype=pl.String)), contract, CONTEXT).accepted
    again = clean_batch(once.select("source", "source_id", "value"), contract, CONTEXT)
    assert again.accepted["value"].equals(once["value"])
    assert again.accepted["original"].to_list() == [None] * len(said)


def test_shapes_hold_for_an_empty_batch() -> None:
    cleaned = clean_batch(rows(value=pl.Series([], dtype=pl.String)), contract_of(column("money")), CONTEXT)
    assert cleaned.accepted.schema["value"] == pl.Decimal(18, 4)
    assert cleaned.accepted.columns[-6:] == [
        "is_deleted",
        "extra",
        "original",
        "source_file",
        "source_row",
        "row_hash",
    ]
    assert cleaned.quarantined.columns[:6] == ["source", "source_id", "reasons", "row", "source_file", "source_row"]
    assert cleaned.issues.is_empty()


def test_types_of_a_real_contract() -> None:
    contract = entities()["sales_order"]
    kinds: dict[str, Any] = {"VARCHAR": pl.String, "DATE": pl.Date, "TIMESTAMPTZ": pl.Datetime("us", "UTC")}
    accepted = clean_batch(rows(email=[None]), contract, CONTEXT).accepted
    for each in contract.columns:
        assert accepted.schema[each.name] == kinds.get(each.duckdb_type, pl.Decimal(18, 4)), each.name


def test_examples_of_rows_without_id_do_not_depend_on_where_batches_end() -> None:
    contract = contract_of(column("text", required=True))
    frame = rows(value=["-", "", None, "-"]).with_columns(source_id=pl.Series([None, None, None, "1"], dtype=pl.String))
    whole = clean_batch(frame, contract, CONTEXT).issues
    for cut in (1, 2, 3):
        parts = [clean_batch(frame[::-1].slice(at, cut), contract, CONTEXT) for at in range(0, 4, cut)]
        assert merged_issues(parts).equals(whole)
