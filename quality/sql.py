"""Identifiers in the SQL that the quality layer composes.

Values never come through here: they are bound as parameters, or rendered by SQLAlchemy.
"""

from __future__ import annotations


def quoted(*parts: str) -> str:
    """Quote identifiers and join them with dots: ("clean", "contact") → "clean"."contact"."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def quoted_table(table: str) -> str:
    """Quote a schema-qualified table name such as clean.contact."""
    return quoted(*table.split(".", 1))


def literal(text: str) -> str:
    """A text literal, for names that appear in the result and not only in the query."""
    return "'" + text.replace("'", "''") + "'"
