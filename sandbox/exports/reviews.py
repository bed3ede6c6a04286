"""The review platform: what buyers said of the goods, as a file that it sends.

It knows orders by the number on the parcel and goods by their article number, and none of the shop's own ids.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sandbox import files, words
from sandbox.days import Ints
from sandbox.exports.kit import Out, day_of, stamp, utc
from sandbox.trade import NOW

_TIME = "%Y-%m-%d %H:%M:%S %z"


def write(out: Out) -> None:
    """Write the platform's export."""
    random = out.random("reviews")
    orders = out.trade.orders
    delivered = np.flatnonzero(orders["delivered"].to_numpy() >= 0)
    chosen: Ints = delivered[random.random(len(delivered)) < 0.09]
    at = orders["delivered"].to_numpy()[chosen] + random.integers(3600, 6 * 86_400, len(chosen))
    chosen, at = chosen[at < NOW], at[at < NOW]
    firsts = np.flatnonzero(out.trade.lines["position"].to_numpy() == 1)
    product = out.trade.lines["product"].gather(firsts[chosen])
    rating = random.choice([1, 2, 3, 4, 5], len(chosen), p=[0.05, 0.05, 0.1, 0.28, 0.52])
    comments = [words.REVIEWS[r][i % len(words.REVIEWS[r])] for i, r in enumerate(rating.tolist())]
    frame = (
        orders[chosen]
        .with_columns(at=pl.Series(at))
        .select(
            ("R" + pl.col("order_number").str.slice(2)).alias("Review ID"),
            pl.col("order_number").alias("Order"),
            out.trade.products["sku"].gather(product).alias("Product SKU"),
            pl.Series(rating).cast(pl.String).alias("Stars"),
            pl.Series(comments).alias("Text"),
            stamp("at", _TIME).alias("Submitted At"),
        )
    )
    out.truth.fact(
        "feedback",
        pl.DataFrame({"at": at}).select(
            record_id=pl.lit(None, pl.String),
            person_id=out.trade.people["person_id"].gather(orders["person"].gather(chosen)),
            order_id=pl.lit("shop:") + pl.lit(orders["order_id"].gather(chosen)),
            kind=pl.lit("review"),
            rating_pct=pl.Series(rating.astype(np.int64) * 20),
            day=day_of("at"),
            at=utc("at"),
        ),
        out.source,
    )
    good = frame.height
    dirt = out.dirt("feedback", "Review ID")
    frame = dirt.spoil(frame, "Text", {"mojibake": 0.03, "edge_space": 0.02}, field="comment")
    frame = dirt.plant(
        frame, "no day", {"Submitted At": None}, reason="missing: submitted_at", among=good, ids="RX{:09d}"
    )
    frame = dirt.conflict(dirt.repeat(frame, among=good), {"Stars": "1"}, among=good)
    files.write_csv(out.folder / "reviews.csv", frame)
    line = files.append_line(out.folder / "reviews.csv", "R100000,MV100000,KUE-0001,5")
    out.truth.bad_line(out.source, "feedback", "reviews.csv", line, "too few fields")
    out.truth.rows(out.source, "feedback", good)
