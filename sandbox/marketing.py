"""The demo company's campaigns on Google, Meta and by e-mail, shared by the exports that mention them."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from sandbox.days import END, START, rng

_GOOGLE = (
    ("Suche Marke", "SEARCH"),
    ("Suche Küche", "SEARCH"),
    ("Suche Garten", "SEARCH"),
    ("Shopping DE", "SHOPPING"),
    ("Shopping AT CH", "SHOPPING"),
    ("PMax Bestseller", "PERFORMANCE_MAX"),
    ("Display Remarketing", "DISPLAY"),
    ("Advent 2024", "SEARCH"),
    ("Advent 2025", "SEARCH"),
    ("Frühling 2026", "SHOPPING"),
)
_META = (
    ("Prospecting Wohnen", "OUTCOME_SALES"),
    ("Retargeting Warenkorb", "OUTCOME_SALES"),
    ("Reels Garten", "OUTCOME_AWARENESS"),
    ("Lookalike Küche", "OUTCOME_SALES"),
    ("Newsletter Anmeldung", "OUTCOME_LEADS"),
    ("Weihnachten 2025", "OUTCOME_SALES"),
)
_SEASONS = {
    "Advent 2024": (date(2024, 11, 11), date(2024, 12, 22)),
    "Advent 2025": (date(2025, 11, 10), date(2025, 12, 21)),
    "Frühling 2026": (date(2026, 3, 2), date(2026, 5, 31)),
    "Weihnachten 2025": (date(2025, 11, 17), date(2025, 12, 23)),
}


def ad_campaigns(seed: int, platform: str) -> pl.DataFrame:
    """Campaigns of an ad platform: id, name, kind, daily budget in cents, first and last day, whether all year."""
    random = rng(seed, f"campaigns {platform}")
    names, start = (_GOOGLE, 17_400_000_001) if platform == "google_ads" else (_META, 120_210_000_000_007)
    rows: list[dict[str, object]] = []
    for number, (name, kind) in enumerate(names):
        first, last = _SEASONS.get(name, (START, END))
        rows.append(
            {
                "campaign_id": str(start + number * 7_919),
                "name": name,
                "kind": kind,
                "budget": int(random.integers(12, 60)) * 100,
                "first": first,
                "last": last,
                "always": name not in _SEASONS,
            }
        )
    return pl.DataFrame(rows)


def mailings(seed: int) -> pl.DataFrame:
    """Newsletters, about every 18 days on a Thursday: id, title, subject, day, position of the day."""
    random = rng(seed, "mailings")
    subjects = ("Neu eingetroffen", "Nur dieses Wochenende", "Ideen für Küche & Tisch", "Ihr Garten wartet", "Danke!")
    rows: list[dict[str, object]] = []
    day = START + timedelta(6)
    while day <= END:
        rows.append(
            {
                "campaign_id": f"{0x3F00 + len(rows) * 37:010x}",
                "title": f"Newsletter {day.isoformat()}",
                "subject": subjects[len(rows) % len(subjects)],
                "date": day,
                "day": (day - START).days,
            }
        )
        day += timedelta(14 if random.random() < 0.5 else 21)
    return pl.DataFrame(rows)


def all_campaigns(seed: int) -> pl.DataFrame:
    """Everything that can bring an order: campaign_id as the warehouse names it, name, platform and channel."""
    ads = [
        ad_campaigns(seed, platform).select(
            campaign_id=pl.format("{}:{}", pl.lit(platform), "campaign_id"),
            name="name",
            platform=pl.lit(platform),
            channel=pl.col("kind").str.to_lowercase().str.replace_all("_", " ")
            if platform == "google_ads"
            else pl.lit("paid social"),
        )
        for platform in ("google_ads", "meta_ads")
    ]
    letters = mailings(seed).select(
        campaign_id=pl.format("mailing:{}", "campaign_id"),
        name="title",
        platform=pl.lit("mailchimp"),
        channel=pl.lit("email"),
    )
    return pl.concat([*ads, letters])
