"""Row counts from raw to clean add up, or are found out."""

from __future__ import annotations

from datetime import timedelta

from quality.reconciliation import Reconciliation, check_reconciliation, record_reconciliation

EVEN = Reconciliation("crm", "contact", raw_rows=10, clean_rows=6, quarantined_rows=3, superseded_rows=1)
LOST = Reconciliation("shop", "contact", raw_rows=10, clean_rows=6, quarantined_rows=0, superseded_rows=2)


def test_rows_that_are_all_accounted_for_pass():
    result = check_reconciliation("contact", [EVEN])
    assert (result.passed, result.evaluated_rows, result.failed_rows) == (True, 10, 0)


def test_lost_rows_block_and_name_their_source(con, now):
    result = check_reconciliation("contact", [EVEN, LOST])
    assert (result.blocks, result.evaluated_rows, result.failed_rows, result.failed_pct) == (True, 20, 2, 10.0)
    assert [(e["source"], e["difference"]) for e in result.examples] == [("shop", 2)]
    record_reconciliation(con, [EVEN, LOST], "run1", now)
    assert len(con.execute(result.sql).fetchall()) == 1


def test_rows_made_up_do_not_hide_rows_lost():
    made_up = Reconciliation("web", "contact", raw_rows=0, clean_rows=2, quarantined_rows=0, superseded_rows=0)
    result = check_reconciliation("contact", [LOST, made_up])
    assert (result.passed, result.failed_rows) == (False, 4)


def test_the_latest_counts_of_a_source_and_entity_are_kept(con, now):
    record_reconciliation(con, [LOST, EVEN], "run1", now)
    mended = Reconciliation("shop", "contact", raw_rows=10, clean_rows=8, quarantined_rows=0, superseded_rows=2)
    record_reconciliation(con, [mended], "run2", now + timedelta(days=1))
    rows = con.execute("SELECT run_id, source, difference FROM meta.reconciliation ORDER BY source").fetchall()
    assert rows == [("run1", "crm", 0), ("run2", "shop", 0)]
