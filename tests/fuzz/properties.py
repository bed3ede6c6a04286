"""What must hold for whatever a source sends, said once for files, interfaces and cleaning.

1. No crash without a sentence: a load ends well, or with one of the project's own errors that names the place and says
   what is wrong (`is_sentence`).
2. No lost row: every row that came in is loaded or rejected with a reason; every row that was cleaned is accepted,
   quarantined, superseded or a duplicate (`reconciled`).
3. No silently changed value: text comes out as it went in, a mended value is reported with its reason, and a number, an
   amount or a date is the one that a careful person reads, or is refused (`told`, and the readers in `careful`).
4. Again changes nothing: neither a second load, nor cleaning what is clean.
5. Nothing depends on the size of batches or on the order of rows.

Each test file holds these against what its generators and the literal inputs of `hostile` give. How often is chosen by
profile: `small` (always the same examples, for every run of the tests) and `deep` (by hand:
`pytest tests/fuzz --hypothesis-profile=deep`).
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, settings

_LIBRARIES = re.compile(r"Traceback|\bobject at 0x|<class '|\.py\b|site-packages|polars\.|pyarrow\.|Error\(")


def often(examples: int, **how: Any) -> settings:
    """So many examples in the small profile, and as many more in another as it says."""
    factor = max(1, settings.default.max_examples // 100)
    return settings(max_examples=examples * factor, suppress_health_check=list(HealthCheck), **how)


def is_sentence(text: str) -> bool:
    """Whether a person can read an error: text, on one line, without the insides of a library."""
    return bool(re.search(r"\w+ \w+", text)) and "\n" not in text.strip() and not _LIBRARIES.search(text)


def reconciled(came: int, **went: int) -> None:
    """Rows that came are the rows that went somewhere, each once."""
    assert came == sum(went.values()), f"{came} rows came, but {went}"
