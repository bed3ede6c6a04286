"""The custom fields of the demo company's Pipedrive: their definitions, and the keys of 40 characters they go by.

A value is given under `custom_fields` for as long as its field is defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sandbox.store import Record, Store

LANGUAGES = {"de": 11, "fr": 12, "nl": 13, "en": 14}


def key(name: str) -> str:
    """The key that Pipedrive made up for a custom field."""
    return blake2b(name.encode(), digest_size=20).hexdigest()


@dataclass(frozen=True)
class _Field:
    name: str
    type: str = "varchar"
    options: tuple[tuple[int, str], ...] | None = None


LANGUAGE, GROUP, TOPIC = "Bevorzugte Sprache", "Kundengruppe", "Newsletter-Thema"
WEBSITE, VAT, EMPLOYEES = "Website", "USt-IdNr.", "Mitarbeiterzahl"
ORDER = "Bestellnummer"

#: What the account begins with, by the collection whose records have the field.
CUSTOM = {
    "persons": [_Field(LANGUAGE, "enum", tuple((id, code) for code, id in LANGUAGES.items())), _Field(GROUP)],
    "organizations": [_Field(WEBSITE), _Field(VAT), _Field(EMPLOYEES, "double")],
    "deals": [_Field(ORDER)],
    "activities": [],
    "products": [],
}
_STANDARD = {
    "persons": [("name", "Name", "varchar"), ("emails", "Email", "varchar"), ("owner_id", "Owner", "user")],
    "organizations": [("name", "Name", "varchar"), ("address", "Address", "address"), ("owner_id", "Owner", "user")],
    "deals": [("title", "Title", "varchar"), ("value", "Value", "monetary"), ("stage_id", "Stage", "stage")],
    "activities": [("subject", "Subject", "varchar"), ("due_date", "Due date", "date")],
    "products": [("name", "Name", "varchar"), ("code", "Product code", "varchar")],
}


def define(store: Store, at: int) -> None:
    """Writes down the fields that the account begins with."""
    for collection, standard in _STANDARD.items():
        for code, name, type in standard:
            _put(store, collection, code, _Field(name, type), custom=False, at=at)
        for field in CUSTOM[collection]:
            _put(store, collection, key(field.name), field, custom=True, at=at)


def add(store: Store, collection: str, name: str, at: int) -> None:
    """Adds a custom field of text."""
    _put(store, collection, key(name), _Field(name), custom=True, at=at)


def remove(store: Store, collection: str, name: str, at: int) -> None:
    """Takes a custom field away; with it go its values, of which the records' times tell nothing."""
    store.delete("fields", f"{collection}.{key(name)}", at)


def definitions(store: Store, collection: str) -> list[dict[str, Any]]:
    """The fields of a collection, as the interface gives them."""
    return [r.body for r in store.page("fields", parent=collection, limit=1000)]


def custom_keys(store: Store, collection: str) -> list[str]:
    """The keys of the custom fields there are now."""
    return [f["field_code"] for f in definitions(store, collection) if f["is_custom_field"]]


def _put(store: Store, collection: str, code: str, field: _Field, *, custom: bool, at: int) -> None:
    body = {
        "field_name": field.name,
        "field_code": code,
        # Fields of deals alone have a description.
        **({"description": ""} if collection == "deals" else {}),
        "field_type": field.type,
        "options": [{"id": id, "label": label} for id, label in field.options] if field.options else None,
        "subfields": None,
        "is_custom_field": custom,
        "is_optional_response_field": False,
    }
    store.put("fields", [Record(id=f"{collection}.{code}", body=body, created=at, updated=at, parent=collection)])
