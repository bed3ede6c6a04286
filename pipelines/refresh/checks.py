"""Running a table's checks, or taking over their last results when nothing that they read has changed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

import duckdb

from pipelines.night import Night, finish, progress
from quality import volume
from quality.results import CheckResult, hold_for_empty, last_results, save_results
from quality.suites import Check, checks_for
from warehouse import changes, meta
from warehouse.contracts import Contract, tables
from warehouse.digest import digest

#: Among what results follow from: the checks themselves.
CHECKS = "checks"

_QUALIFIED = re.compile(r"\b[a-z_]+\.[a-z_]+\b")


def all_checks(contract: Contract) -> tuple[Check, ...]:
    """Every check that a table may get, for the definitions."""
    return checks_for(contract, had_rows=not contract.any_count)


def check_tables(
    con: duckdb.DuckDBPyConnection,
    night: Night,
    contracts: Sequence[Contract],
    also: Mapping[str, Sequence[CheckResult]] | None = None,
) -> list[CheckResult]:
    """Results for tables, in the order of their checks, and kept in meta.check_result.

    A table whose content, referenced tables and checks are as they were keeps its last results.

    Args:
        also: further results by table, of checks that are made elsewhere.
    """
    found: list[CheckResult] = []
    for done, contract in enumerate(contracts):
        progress("checks", done, len(contracts))
        found += _check_table(con, night, contract, (also or {}).get(contract.table, ()))
        finish(contract.table)
    progress("checks", len(contracts), len(contracts))
    volume.record_counts(con, [c.table for c in contracts], night.run_id, night.now)
    return found


def _check_table(
    con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, also: Sequence[CheckResult]
) -> list[CheckResult]:
    had_rows = not contract.any_count and volume.had_rows(con, contract.table, night.run_id)
    checks = checks_for(contract, had_rows=had_rows)
    name = f"checks:{contract.table}"
    inputs = _inputs(con, night, contract, checks)
    fingerprint = digest(*(f"{key}={version}" for key, version in inputs.items()))
    before = meta.fingerprint_of(con, name)
    if before and before[0] == fingerprint:
        again = {check.name for check in checks}
        results = [r for r in last_results(con, contract.table) if r.name in again]
    elif not had_rows and not _has_rows(con, contract.table):
        results = hold_for_empty(checks)
    else:
        started = time.monotonic()
        results = _run(con, contract, checks, inputs)
        seconds = time.monotonic() - started
        meta.note_step(con, run_id=night.run_id, step=contract.table, kind="checks", rows=len(checks), seconds=seconds)
    if not contract.any_count:
        results.append(volume.check_volume(con, contract.table, night.run_id))
    results += also
    save_results(con, night.run_id, results, night.now)
    meta.remember(con, name, fingerprint=fingerprint, version=None, at=night.now)
    changes.remember_inputs(con, name, inputs)
    return results


def _run(
    con: duckdb.DuckDBPyConnection, contract: Contract, checks: Sequence[Check], inputs: Mapping[str, str]
) -> list[CheckResult]:
    """Run checks on the rows that changed since the last time, where these are known and few, else on all."""
    from quality.gx import run_checks
    from quality.recheck import run_on_changed

    then = changes.inputs_of(con, f"checks:{contract.table}")
    if (
        then.get(CHECKS) == inputs[CHECKS]
        and then.get(contract.table, inputs[contract.table]) != inputs[contract.table]
    ):
        changed = changes.since(con, contract.table, then[contract.table], inputs[contract.table])
        if changed is not None:
            moved = [t for t, version in inputs.items() if t not in (CHECKS, contract.table) and then.get(t) != version]
            parents = {t: changes.since(con, t, then.get(t, ""), inputs[t]) for t in moved}
            last = {r.name: r for r in last_results(con, contract.table)}
            found = run_on_changed(con, contract, checks, last=last, changed=changed, parents=parents)
            if found is not None:
                return found
    return run_checks(con, contract.table, checks)


def _has_rows(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return con.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None


def _inputs(
    con: duckdb.DuckDBPyConnection, night: Night, contract: Contract, checks: Sequence[Check]
) -> dict[str, str]:
    """The checks with the day where a rule reads it, and the content of the table and of those it refers to."""
    related = {contract.table, *(referenced_table(contract, r.to_table) for r in contract.references)}
    related |= {t for rule in contract.rules for t in _QUALIFIED.findall(rule.condition) if t in tables()}
    reads_night = any("meta.night" in rule.condition for rule in contract.rules)
    versions = {t: found[1] if (found := meta.fingerprint_of(con, t)) else "" for t in sorted(related)}
    return {CHECKS: digest(repr(checks), str(night.as_of) if reads_night else ""), **versions}


def referenced_table(contract: Contract, to_table: str) -> str:
    """Schema-qualified name of the table that a contract's reference points to."""
    return to_table if "." in to_table else f"{contract.schema}.{to_table}"
