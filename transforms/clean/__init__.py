"""Row-local cleaning: mapped rows in, rows in the contract's types out, every change counted and reversible.

batch.py cleans a frame, load.py runs it over a source into the build database; one module per family of semantic
types holds the rules. What concerns more than one row of a source is not decided here.
"""

from transforms.clean.base import CleanContext
from transforms.clean.batch import Cleaned, clean_batch, merge_issues
from transforms.clean.formats import Formats, sniff_formats

__all__ = ["CleanContext", "Cleaned", "Formats", "clean_batch", "merge_issues", "sniff_formats"]
