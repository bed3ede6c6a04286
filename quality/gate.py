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

    def told(self) -> str:
        """The headline, what blocks (at most three), and what to do about it."""
        if self.publish:
            return self.headline()
        shown = [f"- {failure_line(r)}" for r in self.blocking[:3]]
        more = [f"- and {len(self.blocking) - 3} more"] if len(self.blocking) > 3 else []
        return "\n".join([self.headline(), *shown, *more, f"What to do: {advice(self.blocking[0])}"])


def decide(results: Sequence[CheckResult]) -> Verdict:
    """Publish unless a check of severity error failed. The worst come first."""
    failed = sorted((r for r in results if not r.passed), key=lambda r: (-r.failed_pct, r.table, r.name))
    blocking = tuple(r for r in failed if r.blocks)
    return Verdict(publish=not blocking, blocking=blocking, warnings=tuple(r for r in failed if not r.blocks))


def counted(result: CheckResult) -> str:
    """How many rows break the rule."""
    share = f"{result.failed_pct:.2g}" if result.failed_pct < 100 else "100"
    return f"{result.failed_rows:,} of {_counted(result.evaluated_rows, 'row')} ({share} %) break this rule."


def failure_line(result: CheckResult) -> str:
    """One failed check in one line: where, what, how many rows, and one of them."""
    parts = [f"{result.table}, {result.name}: {counted(result) if result.failed_rows else result.description}"]
    if result.examples:
        values = ", ".join(f"{name} {'empty' if v is None else v}" for name, v in result.examples[0].items())
        parts.append(f"For example {values}.")
    return " ".join(parts)


def advice(result: CheckResult) -> str:
    """What somebody does about a failed check."""
    if not result.blocks:
        return "Blocks nothing. Look at the examples; correct the source, or relax the rule in the contract."
    if not result.failed_rows:
        return (
            "Look at what the source delivered this time, then run `millpond run` again; "
            "if it is right so, `millpond run --accept-counts`."
        )
    return "Correct these rows in the source system, or the mapping that reads them; then `millpond run`."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
