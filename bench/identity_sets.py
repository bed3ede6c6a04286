"""Person records with known truth to measure linkage on: public sets, if they are at hand, and crowds of any size.

The shape is that of `transforms.identity.resolve`. What linkage makes of them is bench/identity.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sandbox.crowd import Crowd, make_crowd
from warehouse.settings import child_environment

FEBRL = {
    "febrl 1": ("dataset1.csv",),
    "febrl 2": ("dataset2.csv",),
    "febrl 3": ("dataset3.csv",),
    "febrl 4": ("dataset4a.csv", "dataset4b.csv"),
}


@dataclass(frozen=True)
class People:
    """Records, and who they are: record_id and person_id, of a crowd also what sandbox.crowd tells of them."""

    name: str
    records: pl.DataFrame
    truth: pl.DataFrame
    crowd: Crowd | None = None


def real_folder() -> Path:
    """Where the public sets lie."""
    chosen = child_environment({}).get("MILLPOND_REAL_DATA")
    return (Path(chosen) if chosen else Path(__file__).resolve().parents[2] / "shared" / "real") / "er"


def public(folder: Path) -> Iterator[People]:
    """The public sets in a folder; none if it is not there."""
    if not folder.is_dir():
        return
    for name, files in FEBRL.items():
        yield febrl(name, [folder / "febrl" / file for file in files])
    yield fake_1000(folder / "fake_1000.csv")


def febrl(name: str, files: list[Path]) -> People:
    """A set of Febrl (Christen 2008): Australian records, copies of which have typing errors.

    `rec-N-org` and `rec-N-dup-K` are one person. The social security number is left out: it would tell nearly all.
    """
    read = pl.concat([_febrl_file(file).with_columns(source=pl.lit(file.stem)) for file in files])
    iso = pl.col("date_of_birth").str.replace(r"^(\d{4})(\d\d)(\d\d)$", "$1-$2-$3")
    eight = pl.col("date_of_birth").str.contains(r"^\d{8}$")
    records = read.select(
        record_id="rec_id",
        source="source",
        given_name="given_name",
        family_name="surname",
        street=pl.concat_str("street_number", "address_1", "address_2", separator=" ", ignore_nulls=True).replace(
            "", None
        ),
        city="suburb",
        region="state",
        postcode="postcode",
        # Impossible dates stay as text: they are typing errors, too, and nearly right.
        birth_date=pl.when(eight).then(iso).otherwise("date_of_birth"),
    )
    person = pl.col("record_id").str.extract(r"^rec-(\d+)-")
    return People(name, records, records.select("record_id", person_id=person))


def _febrl_file(file: Path) -> pl.DataFrame:
    read = pl.read_csv(file, infer_schema=False)
    trimmed = read.rename(str.strip).with_columns(pl.all().str.strip_chars())
    return trimmed.with_columns(pl.all().replace("", None))


def fake_1000(file: Path) -> People:
    """Splink's example set: 1,000 made-up records of about 250 people."""
    read = pl.read_csv(file, infer_schema=False)
    records = read.select(
        record_id="unique_id",
        source=pl.lit("fake_1000"),
        given_name="first_name",
        family_name="surname",
        email="email",
        city="city",
        birth_date="dob",
    )
    return People("fake 1000", records, read.select(record_id="unique_id", person_id="cluster"))


def crowd(records: int, seed: int) -> People:
    """A crowd of so many records."""
    made = make_crowd(records, seed)
    return People(f"crowd {records:,} seed {seed}", made.records, made.truth, made)
