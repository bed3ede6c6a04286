"""Whether the machine's clock can be right. Pure: times in, a judgement out."""

from __future__ import annotations

from datetime import datetime, timedelta

from quality.results import CheckResult

TABLE, CHECK_NAME = "meta.night", "clock_went_forward"


def judge_clock(now: datetime, last: datetime | None) -> CheckResult:
    """Judge tonight's time by the time of the night before, None if there was none."""
    went_back = last is not None and now < last
    told = f"it is {now:%Y-%m-%d %H:%M} UTC by the machine's clock"
    if last is not None:
        told += f", and was {last:%Y-%m-%d %H:%M} UTC on the night before"
    mend = f"It went back by {_span(last - now)}. " if went_back and last else ""
    mend += "Set it, or let it be set (NTP): days, ages and what lies in the future are told by it." if mend else ""
    return CheckResult(
        name=CHECK_NAME,
        table=TABLE,
        severity="warning",
        passed=not went_back,
        evaluated_rows=1,
        failed_rows=0,
        failed_pct=0.0,
        examples=[],
        sql="SELECT now FROM meta.night;",
        description=f"The clock goes forward from night to night: {told}. {mend}".strip(),
    )


def _span(span: timedelta) -> str:
    return f"{span.days:,} days" if span.days > 1 else f"{span.total_seconds() / 3600:.1f} hours"
