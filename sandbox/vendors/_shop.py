"""What the demo company's web shop is, whichever system it runs on: who has an account, where buyers came from.

How a system keeps it belongs in that vendor's folder.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox.exports.kit import Out
from sandbox.marketing import ad_campaigns, mailings


def has_account(out: Out) -> pl.Series:
    """Which people the shop knows by an account: those who bought with one, and those from before the two years."""
    people = out.trade.people
    buys = np.zeros(people.height, dtype=bool)
    buys[out.trade.orders["person"].unique().to_numpy()] = True
    return pl.Series(buys | (people["joined"].to_numpy() < 0)) & people["has_account"]


def with_utm(out: Out, orders: pl.DataFrame) -> pl.DataFrame:
    """Where the buyers of orders came from: source, medium and campaign, nothing for about half."""
    random = out.random("utm")
    count = orders.height
    kind = random.choice(4, count, p=[0.52, 0.24, 0.12, 0.12])
    kind[~orders["channel"].is_in(["web", "app"]).to_numpy()] = 0
    day = orders["day"].to_numpy()
    campaign = np.full(count, None, dtype=object)
    for number, platform in ((1, "google_ads"), (2, "meta_ads")):
        names = ad_campaigns(out.seed, platform).filter("always")["name"].to_numpy()
        at = np.flatnonzero(kind == number)
        campaign[at] = names[random.integers(0, len(names), len(at))]
    letters = mailings(out.seed)
    at = np.flatnonzero((kind == 3) & (day >= letters["day"].min()))
    latest = np.searchsorted(letters["day"].to_numpy(), day[at], side="right") - 1
    campaign[at] = letters["title"].to_numpy()[latest]
    source = pl.Series(np.array(["", "google", "facebook", "newsletter"])[kind]).replace("", None)
    medium = pl.Series(np.array(["", "cpc", "paid_social", "email"])[kind]).replace("", None)
    return orders.with_columns(
        utm_source=source, utm_medium=medium, utm_campaign=pl.Series(campaign.tolist(), dtype=pl.String)
    )
