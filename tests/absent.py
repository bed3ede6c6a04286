"""Skipping what a machine cannot run, in one form: what is absent, what is not tested for it, and how to get it."""

from __future__ import annotations

from typing import NoReturn

import pytest


def skip_without(what: str, *, untested: str, mend: str) -> NoReturn:
    """Skip the test loudly.

    Args:
        what: What the machine lacks and the project cannot bring by itself.
        untested: What nobody has tried when this is skipped.
        mend: What makes the test run.
    """
    pytest.skip(reason=f"{what.upper()} ABSENT: {untested} is not tested here. {mend}")


def mend_by_package(name: str) -> str:
    """What to do about a program of a Debian package that tests/services.sh could not install."""
    return f"`make test` installs {name} where there is apt-get and root or sudo without a password; else install it."
