"""The issues of several batches together, as cleaning a source adds them up."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.clean.batch import Cleaned, count_issues, first_examples, issue_rows


def merged_issues(parts: Sequence[Cleaned]) -> pl.DataFrame:
    """Issues of all batches, which must not depend on where one ends."""
    notes = pl.concat([part.notes for part in parts]).value_counts(name="count")
    return issue_rows(count_issues(notes.iter_rows()), first_examples(part.examples for part in parts))
