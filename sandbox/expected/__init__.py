"""What every table of `mart` must hold for the demo company, worked out from its truth and not from the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.expected import marketing, metrics, sales, service
from sandbox.expected.facts import Facts, Rows

__all__ = ["EXPECTED", "Facts", "Rows"]

#: By table: its rows by the columns of its key.
EXPECTED: Mapping[str, Callable[[Facts], Rows]] = {
    "mart.attribution": marketing.attribution,
    "mart.attribution_daily": marketing.attribution_daily,
    "mart.cohort_retention": sales.cohort_retention,
    "mart.customer_360": sales.customer_360,
    "mart.inventory_health": service.inventory_health,
    "mart.marketing_performance": marketing.marketing_performance,
    "mart.metric_daily": metrics.metric_daily,
    "mart.order_to_cash": sales.order_to_cash,
    "mart.pipeline_health": service.pipeline_health,
    "mart.sales_daily": sales.sales_daily,
    "mart.support_daily": service.support_daily,
    "mart.touchpoint_effect": marketing.touchpoint_effect,
    "mart.touchpoint_transition": marketing.touchpoint_transition,
}
