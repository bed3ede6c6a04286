"""Row-local cleaning: mapped rows in, rows in the contract's types out, every change counted and reversible.

batch.py cleans a frame, load.py runs it over a source into the build database, or over what changed there since last
night; one module per family of semantic types holds the rules.
"""

from transforms.clean.base import CleanContext
from transforms.clean.batch import Cleaned, clean_batch
from transforms.clean.formats import Formats, sniff_formats

__all__ = ["CleanContext", "Cleaned", "Formats", "clean_batch", "sniff_formats"]
