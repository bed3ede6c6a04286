"""Quoting of names in SQL that is composed. Values do not come through here: they are bound as parameters."""

from __future__ import annotations


def quoted(*parts: str) -> str:
    """Quote identifiers and join them with dots: ("clean", "contact") → "clean"."contact"."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def quoted_table(table: str) -> str:
    """Quote a schema-qualified table name such as clean.contact."""
    return quoted(*table.split(".", 1))


def literal(text: str) -> str:
    """A text literal, for statements that take no parameters, such as ATTACH and COMMENT."""
    return "'" + text.replace("'", "''") + "'"
