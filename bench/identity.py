"""How well and how fast records are linked to people: ours, against equal keys and against Splink as it comes.

Every contestant is a process of its own over the same Parquet file. Sets are bench/identity_sets.py's, errors
bench/identity_score.py's, the demo company's own truth bench/truth.py's. Run: python -m bench identity.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from bench import identity_score, identity_sets
from bench.identity_sets import People
from bench.night import measured
from sandbox.crowd import NO_BIRTH_DATE, PLACEHOLDERS, next_night

if TYPE_CHECKING:
    from transforms.identity import Linked

#: Whose clusters are looked at again with rows shuffled and ids renamed, and a night later.
OURS = "millpond"
#: Stands for a contestant where two nights are linked.
NIGHT = "night"
SPLINK_THRESHOLD = 0.9


def run(folder: Path, sizes: Iterable[int], seed: int, only: Iterable[str]) -> dict[str, Any]:
    """Contestants on every set, ready for JSON.

    Args:
        folder: Where the sets and the clusters are put.
        sizes: Records of the crowds; the public sets are measured first.
        seed: Of the crowds.
        only: Which of CONTESTANTS.
    """
    unknown = [name for name in only if name not in CONTESTANTS]
    if unknown:
        raise SystemExit(f"No contestant {unknown[0]!r}: there are {', '.join(CONTESTANTS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"notes": [], "scores": [], "merged": [], "missed": [], "worst": [], "night": []}
    chosen = list(_able(only, result["notes"]))
    for people in _sets(sizes, seed, result["notes"]):
        for name in chosen:
            _measure(folder, people, name, result)
    return result


def _sets(sizes: Iterable[int], seed: int, notes: list[str]) -> Iterator[People]:
    public = identity_sets.real_folder()
    if not public.is_dir():
        notes.append(f"PUBLIC SETS ABSENT, NOT MEASURED: {public} does not exist; set MILLPOND_REAL_DATA.")
    yield from identity_sets.public(public)
    for size in sizes:
        yield identity_sets.crowd(size, seed)


def _able(only: Iterable[str], notes: list[str]) -> Iterator[str]:
    for name in only:
        if name == "splink" and importlib.util.find_spec("splink") is None:
            notes.append("SPLINK IS NOT INSTALLED, NOT MEASURED: install the extra `dev`.")
            continue
        yield name


def _measure(folder: Path, people: People, name: str, result: dict[str, Any]) -> None:
    """One contestant on one set: adds to each of the result's tables."""
    marks = {"set": people.name, "contestant": name}
    linked, row = _linked(folder, people.records, name)
    if linked is None:
        result["scores"].append({**marks, **row})
        return
    score = identity_score.compared(linked, people.truth, "person_id")
    row = {
        "records": score.records,
        "people": score.people,
        "clusters": score.customers,
        "precision": score.precision,
        "recall": score.recall,
        "F1": score.f1,
        **row,
    }
    if name == OURS:
        row["pairs differing when shuffled"] = _shuffled(folder, people, linked)
    result["scores"].append({**marks, **row})
    result["worst"].append({**marks, **identity_score.worst(linked, people.truth, people.records)})
    if people.crowd is None:
        return
    result["merged"].append({**marks, **identity_score.merged(linked, people.truth)})
    result["missed"] += [{**marks, **missed} for missed in identity_score.missed(linked, people.truth)]
    if name == OURS:
        result["night"] += [{**marks, **row} for row in _night(folder, people)]


def _linked(folder: Path, records: pl.DataFrame, name: str) -> tuple[pl.DataFrame | None, dict[str, Any]]:
    """The clusters that a contestant makes, with its seconds and memory; none if it fails, and why."""
    given, made = folder / "records.parquet", folder / "clusters.parquet"
    records.write_parquet(given)
    made.unlink(missing_ok=True)
    used = measured("-m", "bench.identity", name, str(given), str(made))
    if used.status:
        return None, {"failed": f"status {used.status}; see above"}
    return pl.read_parquet(made), json.loads(used.output.splitlines()[-1])


def _shuffled(folder: Path, people: People, linked: pl.DataFrame) -> int:
    """Pairs that another order of the rows and other ids put together or apart: none, if linkage is about content."""
    random = np.random.default_rng(5)
    order, number = random.permutation(people.records.height), random.permutation(people.records.height)
    ids = pl.DataFrame({"old": people.records["record_id"][order], "record_id": [f"r{n:09d}" for n in number.tolist()]})
    renamed = people.records[order].with_columns(ids["record_id"])
    again, _ = _linked(folder, renamed, OURS)
    if again is None:
        raise RuntimeError(f"{OURS} failed on {people.name} with rows shuffled; see above.")
    back = again.join(ids, on="record_id").select("cluster_id", record_id="old")
    return identity_score.moved_pairs(linked, back)


def _night(folder: Path, people: People) -> list[dict[str, Any]]:
    """The night after, one record in a hundred new or changed: from what was kept, and anew.

    Both nights give customer ids; the first also keeps what the second goes on from.
    """
    if people.crowd is None:
        return []
    tomorrow = next_night(people.crowd, seed=1)
    given, given_next, made = (folder / f"{name}.parquet" for name in ("records", "tomorrow", "clusters"))
    people.records.write_parquet(given)
    tomorrow.records.write_parquet(given_next)
    used = measured("-m", "bench.identity", NIGHT, str(given), str(given_next), str(made))
    if used.status:
        return [{"failed": f"status {used.status}; see above"}]
    told = json.loads(used.output.splitlines()[-1])
    anew = pl.read_parquet(made.with_suffix(".anew.parquet"))
    untouched = tomorrow.records.join(people.records, on=["record_id", "updated_at"], how="semi")
    rows = []
    # The few records of a small crowd are linked anew each night.
    for name, file in (("anew", made.with_suffix(".anew.parquet")), ("from what was kept", made)):
        if name in told:
            linked = pl.read_parquet(file)
            score = identity_score.compared(linked, tomorrow.truth, "person_id")
            row = {"linked": name, "precision": score.precision, "recall": score.recall, "F1": score.f1, **told[name]}
            row["new or changed"] = tomorrow.records.height - untouched.height
            row["of the time anew"] = told[name]["seconds"] / told["anew"]["seconds"]
            rows.append({**row, "pairs differing from anew": identity_score.moved_pairs(anew, linked)})
    return rows


def two_nights(given: Path, given_next: Path, made: Path) -> dict[str, dict[str, float]]:
    """Link records, then those of the night after from what was kept and anew; seconds of each."""
    from transforms.identity import link

    first, second = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    kept = made.with_suffix(".duckdb")
    records, tomorrow = pl.read_parquet(given), pl.read_parquet(given_next)
    told: dict[str, dict[str, float]] = {}

    def timed(name: str, *args: Any, **options: Any) -> Linked:
        began = time.perf_counter()
        linked = link(*args, **options)
        told[name] = {"seconds": time.perf_counter() - began, "peak MB": _peak_mb()}
        return linked

    before = timed("first", records, happened_at=first, kept=kept)
    options = {"kept": kept, "mark": before.mark}
    after = timed("from what was kept", tomorrow, before.assignment, happened_at=second, **options)
    if after.changed is None:
        del told["from what was kept"]
    anew = timed("anew", tomorrow, before.assignment, happened_at=second, kept=kept)
    after.assignment.select("record_id", "cluster_id").write_parquet(made)
    anew.assignment.select("record_id", "cluster_id").write_parquet(made.with_suffix(".anew.parquet"))
    return told


def tables(result: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Titles and rows to print."""
    if result["notes"]:
        yield "Not measured", [{"note": note} for note in result["notes"]]
    yield "Records linked to people (pairs of records)", result["scores"]
    yield "Pairs merged wrongly, by what the two people have in common", result["merged"]
    for name in dict.fromkeys(row["set"] for row in result["missed"]):
        title = f"Pairs of {name}, by what sets the records apart: missed, and missed with nothing else that does"
        yield title, _side_by_side([row for row in result["missed"] if row["set"] == name])
    yield "A night later", result["night"]
    for found in result["worst"]:
        size = f"{found['records']} records of {found['people']} people"
        yield f"Largest wrong cluster: {found['contestant']} on {found['set']}, {size}", found["sample"]


def _side_by_side(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per difference, with what each contestant missed."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        own = found.setdefault(row["difference"], {key: row[key] for key in ("difference", "pairs", "sole")})
        own[row["contestant"]] = f"{row['missed']:,} / {row['sole missed']:,}"
    return list(found.values())


def tidy(records: pl.DataFrame) -> pl.DataFrame:
    """What somebody would do before linking by hand: trim, lower case, and forget what stands for nothing.

    All placeholders are known here, better than they would be to somebody who has to find them.
    """
    nothing = {value for values in PLACEHOLDERS.values() for value in values} | set(NO_BIRTH_DATE)
    text = pl.exclude("record_id", "source", "created_at", "updated_at").cast(pl.String).str.strip_chars()
    plain = text.str.to_lowercase()
    return records.with_columns(
        pl.when(plain.is_in([value.lower() for value in nothing]) | (plain == ""))
        .then(None)
        .otherwise(plain)
        .name.keep()
    )


def mail_or_phone(records: pl.DataFrame) -> pl.DataFrame:
    """Our own baseline: connected components of records with an equal e-mail or phone."""
    return _connected(tidy(records), [["email"], ["phone"]])


def equal_keys(records: pl.DataFrame) -> pl.DataFrame:
    """The same, also by equal given name, family name and birth date together."""
    return _connected(tidy(records), [["email"], ["phone"], ["given_name", "family_name", "birth_date"]])


def _connected(records: pl.DataFrame, keys: list[list[str]]) -> pl.DataFrame:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = records.with_row_index("row")
    edges = [
        rows.drop_nulls(key).select("row", first=pl.col("row").min().over(key))
        for key in keys
        if set(key) <= set(rows.columns)
    ]
    ends = pl.concat(edges) if edges else pl.DataFrame({"row": [0], "first": [0]})
    shape = (rows.height, rows.height)
    graph = coo_array((np.ones(ends.height, np.int8), (ends["row"].to_numpy(), ends["first"].to_numpy())), shape=shape)
    _, labels = connected_components(graph.tocsr(), directed=False)
    return records.select("record_id", cluster_id=pl.Series(labels))


def splink(records: pl.DataFrame) -> pl.DataFrame:
    """Splink as its documentation begins: library comparisons, rules for the columns that are there, no labels."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    people = tidy(records)
    there = {name for name in people.columns if people[name].null_count() < people.height}

    def rules(*columns: tuple[str, ...]) -> list[Any]:
        return [block_on(*names) for names in columns if set(names) <= there]

    blocking = rules(
        *(("email",), ("phone",), ("birth_date",), ("given_name", "family_name")),
        *(("family_name", "postcode"), ("given_name", "postcode"), ("street", "city")),
    )
    certain = rules(("email",), ("phone",), ("given_name", "family_name", "birth_date"))
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_id",
        comparisons=_splink_comparisons(there),
        blocking_rules_to_generate_predictions=blocking,
        retain_matching_columns=False,
    )
    linker = Linker(DuckDBAPI().register(people.to_arrow()), settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    # Each trains what the others must leave out, since it is equal in all of their pairs.
    for rule in rules(("email",), ("given_name", "family_name"), ("birth_date",)):
        linker.training.estimate_parameters_using_expectation_maximisation(rule, max_pairs=2e6)
    predicted = linker.inference.predict(threshold_match_probability=SPLINK_THRESHOLD)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, SPLINK_THRESHOLD)
    return pl.DataFrame(pl.from_arrow(clusters.as_pyarrow_table())).select("record_id", "cluster_id")


def _splink_comparisons(there: set[str]) -> list[Any]:
    import splink.comparison_library as cl

    found: dict[str, Any] = {
        "given_name": cl.NameComparison("given_name"),
        "family_name": cl.NameComparison("family_name"),
        "birth_date": cl.DateOfBirthComparison("birth_date", input_is_string=True),
        "email": cl.EmailComparison("email"),
        "phone": cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        "city": cl.ExactMatch("city").configure(term_frequency_adjustments=True),
    }
    if {"street", "postcode"} <= there:
        found["city"] = _splink_address()
    return [comparison for name, comparison in found.items() if name in there]


def _splink_address() -> Any:
    """One comparison for the whole address: its parts tell nothing new of each other."""
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl

    same_street, like_street = cll.ExactMatchLevel("street"), cll.JaroWinklerLevel("street", 0.9)
    postcode = cll.ExactMatchLevel("postcode")
    return cl.CustomComparison(
        output_column_name="address",
        comparison_levels=[
            cll.Or(cll.NullLevel("street"), cll.NullLevel("postcode")),
            cll.And(same_street, postcode),
            cll.And(like_street, cll.Or(postcode, cll.ExactMatchLevel("city"))),
            cll.ExactMatchLevel("postcode"),
            cll.ElseLevel(),
        ],
    )


def millpond(records: pl.DataFrame) -> pl.DataFrame:
    """Ours; it is given the records as they are."""
    from transforms.identity import resolve

    return resolve(records)


CONTESTANTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "mail-or-phone": mail_or_phone,
    "equal-keys": equal_keys,
    "splink": splink,
    "millpond": millpond,
}


def main() -> None:
    """A contestant, the file of records, and the file to write the clusters to; for NIGHT, two files of records."""
    name, given, *following, made = sys.argv[1:]
    if name == NIGHT:
        sys.stdout.write(json.dumps(two_nights(Path(given), Path(following[0]), Path(made))) + "\n")
        return
    records = pl.read_parquet(given)
    began = time.perf_counter()
    linked = CONTESTANTS[name](records)
    seconds = time.perf_counter() - began
    linked.select("record_id", "cluster_id").write_parquet(made)
    sys.stdout.write(json.dumps({"seconds": seconds, "peak MB": _peak_mb()}) + "\n")


def _peak_mb() -> float:
    """This process's highest resident memory. What the system tells its parent is at least the parent's own."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
