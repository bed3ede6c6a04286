"""Whether a night may be published, and what to tell the person who has to act.

Pure: results in, verdict and sentences out. Nothing here runs a check or publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quality.results import CheckResult


@dataclass(frozen=True)
class Verdict:
    """The decision over one night."""

    publish: bool
    blocking: tuple[CheckResult, ...]
    warnings: tuple[CheckResult, ...]

    def headline(self) -> str:
        """One line for the end of the night."""
        warned = f"{_counted(len(self.warnings), 'check')} warned" if self.warnings else ""
        if self.publish:
            return f"May be published: {warned or 'every check passed'}."
        also = f", {warned}" if warned else ""
        return (
            f"Not published: {_counted(len(self.blocking), 'check')} failed{also}. "
            "Yesterday's warehouse stays in place."
        )

    def sentences(self) -> list[str]:
        """The headline, then one sentence for each failed check, blocking ones first."""
        return [self.headline(), *(sentence(r) for r in (*self.blocking, *self.warnings))]


def decide(results: Sequence[CheckResult]) -> Verdict:
    """Publish unless a check of severity error failed. The worst come first."""
    failed = sorted((r for r in results if not r.passed), key=lambda r: (-r.failed_pct, r.table, r.name))
    blocking = tuple(r for r in failed if r.blocks)
    return Verdict(publish=not blocking, blocking=blocking, warnings=tuple(r for r in failed if not r.blocks))


def sentence(result: CheckResult) -> str:
    """What failed, where, in how many rows, one of them, and what to do next."""
    kind = "Blocks publishing" if result.blocks else "Warning"
    parts = [f"{kind}: {result.table} fails {result.name}. {result.description}"]
    if result.failed_rows:
        share = f"{result.failed_pct:.2g}" if result.failed_pct < 100 else "100"
        parts.append(f"{result.failed_rows:,} of {_counted(result.evaluated_rows, 'row')} ({share} %) do not.")
    if result.examples:
        values = ", ".join(f"{name} {_shown(value)}" for name, value in result.examples[0].items())
        parts.append(f"For example {values}.")
    if result.failed_rows:
        parts.append(
            f"See them with: {' '.join(result.sql.split())} "
            "Then mend the records in the source, or the mapping that reads them, and run again."
        )
    elif result.blocks:
        parts.append("Find out what the source delivered this time; if it is right so, `millpond run --accept-counts`.")
    return " ".join(parts)


def _shown(value: object) -> str:
    return "empty" if value is None else repr(value)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
