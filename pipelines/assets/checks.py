"""How checks look in the Dagster UI: what each one asks, what it found, and what to do about it."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from pipelines.assets.metadata import findings_table, key_of
from pipelines.refresh.checks import all_checks
from quality import volume
from quality.gate import advice, counted
from quality.results import CheckResult
from quality.suites import Check
from warehouse.contracts import Contract

VOLUME_TEXT = "The row count is what earlier nights lead to expect. Below half of the usual, it blocks the publish."


def table_check_specs(contract: Contract) -> list[dg.AssetCheckSpec]:
    """The contract's checks and the row count's."""
    specs = [_spec(c) for c in all_checks(contract)]
    if not contract.any_count:
        specs.append(dg.AssetCheckSpec(volume.CHECK_NAME, asset=key_of(contract.table), description=VOLUME_TEXT))
    return specs


def results_of(contract: Contract, results: Sequence[CheckResult]) -> list[dg.AssetCheckResult]:
    """A table's results; checks that could not apply tonight pass and say so."""
    own = {r.name: _result(r) for r in results if r.table == contract.table}
    for check in all_checks(contract):
        if check.name not in own:
            own[check.name] = dg.AssetCheckResult(
                asset_key=key_of(contract.table),
                check_name=check.name,
                passed=True,
                metadata={"note": "Does not apply yet: the table held no rows on earlier nights."},
            )
    return list(own.values())


def failed_table(results: Sequence[CheckResult]) -> dg.MetadataValue:
    """Failed checks with what to do about each."""
    rows = [{"table": r.table, "check": r.name, "failed_rows": r.failed_rows, "what to do": advice(r)} for r in results]
    return findings_table(rows[:20], ("table", "check", "failed_rows", "what to do"))


def check_link(result: CheckResult) -> dg.MetadataValue:
    """A link to the check's page, within this UI."""
    path = "/".join(result.table.split("."))
    return dg.MetadataValue.url(f"/assets/{path}?view=checks&checkDetail={result.name}")


def _spec(check: Check) -> dg.AssetCheckSpec:
    # Dagster calls every check non-blocking, for none of them stops the building of later tables.
    blocks = (
        "While it fails, **no warehouse is published**; analysts keep the version before."
        if check.severity == "error"
        else "A warning: the warehouse is published all the same."
    )
    return dg.AssetCheckSpec(
        name=check.name,
        asset=key_of(check.table),
        description=f"{check.description} {blocks}",
        metadata={"severity": check.severity},
    )


def _result(result: CheckResult) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"evaluated_rows": result.evaluated_rows, "failed_rows": result.failed_rows}
    if not result.passed:
        metadata["what to do"] = advice(result)
        if result.examples:
            columns = list(dict.fromkeys(name for row in result.examples for name in row))
            metadata["examples"] = findings_table(result.examples, columns)
        if result.sql:
            metadata["find all with `millpond query --build`"] = dg.MetadataValue.text(" ".join(result.sql.split()))
    return dg.AssetCheckResult(
        asset_key=key_of(result.table),
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=counted(result) if result.failed_rows else None,
        metadata=metadata,
    )
