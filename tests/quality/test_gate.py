"""The decision over a night and what the ops person reads."""

from __future__ import annotations

import dataclasses

from quality.gate import advice, decide, failure_line
from quality.results import CheckResult

FAILED = CheckResult(
    name="email_is_email",
    table="clean.contact",
    severity="error",
    passed=False,
    evaluated_rows=1200,
    failed_rows=3,
    failed_pct=0.25,
    examples=[{"source": "crm", "source_id": "17", "email": "bad"}, {"source": "crm", "source_id": "18"}],
    sql="SELECT source\nFROM clean.contact;",
    description="email is an e-mail address.",
)
PASSED = dataclasses.replace(FAILED, name="source_is_given", passed=True, failed_rows=0, failed_pct=0.0, examples=[])
WARNED = dataclasses.replace(FAILED, name="owner_id_is_in_staff", severity="warning")


def test_a_night_without_a_failed_check_is_published():
    verdict = decide([PASSED])
    assert (verdict.publish, verdict.blocking, verdict.warnings) == (True, (), ())
    assert verdict.told() == "May be published: every check passed."


def test_a_warning_does_not_block():
    verdict = decide([PASSED, WARNED])
    assert (verdict.publish, verdict.warnings) == (True, (WARNED,))
    assert verdict.headline() == "May be published: 1 check warned."


def test_an_error_blocks_and_the_worst_comes_first():
    worse = dataclasses.replace(FAILED, table="clean.deal", failed_pct=50.0)
    verdict = decide([PASSED, FAILED, WARNED, worse])
    assert (verdict.publish, verdict.blocking) == (False, (worse, FAILED))
    assert verdict.headline() == (
        "Not published: 2 checks failed, 1 check warned. Yesterday's warehouse stays in place."
    )


def test_a_line_says_where_what_how_many_and_which():
    assert failure_line(FAILED) == (
        "clean.contact, email_is_email: 3 of 1,200 rows (0.25 %) break this rule. "
        "For example source crm, source_id 17, email bad."
    )


def test_a_check_of_the_whole_table_has_no_rows_to_show():
    volume = dataclasses.replace(
        FAILED, name="row_count_as_usual", failed_rows=0, examples=[{"row_count": 1}], description="1 row of 9."
    )
    assert failure_line(volume) == "clean.contact, row_count_as_usual: 1 row of 9. For example row_count 1."
    assert "--accept-counts" in advice(volume)
    assert "--accept-counts" not in advice(FAILED)


def test_what_is_told_is_short_and_ends_with_what_to_do():
    many = [dataclasses.replace(FAILED, table=f"clean.t{n}") for n in range(5)]
    lines = decide([*many, WARNED]).told().splitlines()
    assert lines[0].startswith("Not published: 5 checks failed, 1 check warned.")
    assert [line.split(",")[0] for line in lines[1:4]] == ["- clean.t0", "- clean.t1", "- clean.t2"]
    assert lines[4:] == ["- and 2 more", f"What to do: {advice(FAILED)}"]
