"""Which properties HubSpot's objects have in the demo company's account: the vendor's own and the company's.

A property that is not listed here is not given and cannot be searched by. Values belong in `records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.store import Record, Store

#: CRM objects that share one interface, with the scopes of which one is needed to read them.
SCOPES = {
    "contacts": ["crm.objects.contacts.read"],
    "companies": ["crm.objects.companies.read"],
    "deals": ["crm.objects.deals.read"],
    "calls": ["crm.objects.contacts.read"],
    "emails": ["crm.objects.contacts.read", "sales-email-read"],
    "meetings": ["crm.objects.contacts.read"],
    "notes": ["crm.objects.contacts.read"],
}
OBJECTS = tuple(SCOPES)
ENGAGEMENTS = ("calls", "emails", "meetings", "notes")
TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "notes": "0-46",
    "meetings": "0-47",
    "calls": "0-48",
    "emails": "0-49",
}
#: Properties given when none are asked for, beside those that are always given.
DEFAULTS = {
    "contacts": ["email", "firstname", "lastname"],
    "companies": ["domain", "name"],
    "deals": ["amount", "closedate", "createdate", "dealname", "dealstage", "pipeline"],
}
#: Only contacts name the time of their last change differently.
MODIFIED = {name: "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate" for name in OBJECTS}
CREATED = {name: "createdate" if name in ("contacts", "companies") else "hs_createdate" for name in OBJECTS}


@dataclass(frozen=True)
class _Property:
    name: str
    label: str
    type: str = "string"
    field: str = "text"
    own: bool = False


def _engagement(*more: _Property) -> list[_Property]:
    return [
        _Property("hs_timestamp", "Activity date", "datetime", "date"),
        _Property("hubspot_owner_id", "Activity assigned to", "enumeration", "select"),
        *more,
    ]


_PROPERTIES = {
    "contacts": [
        _Property("firstname", "First Name"),
        _Property("lastname", "Last Name"),
        _Property("email", "Email"),
        _Property("phone", "Phone Number", field="phonenumber"),
        _Property("associatedcompanyid", "Primary Associated Company ID", "number", "number"),
        _Property("company", "Company Name"),
        _Property("jobtitle", "Job Title"),
        _Property("address", "Street Address"),
        _Property("city", "City"),
        _Property("zip", "Postal Code"),
        _Property("country", "Country/Region"),
        _Property("hs_language", "Preferred language", "enumeration", "select"),
        _Property("date_of_birth", "Date of birth"),
        _Property("lifecyclestage", "Lifecycle Stage", "enumeration", "radio"),
        _Property("hs_analytics_source", "Original Traffic Source", "enumeration", "select"),
        _Property("hubspot_owner_id", "Contact owner", "enumeration", "select"),
        _Property("erp_customer_group", "Kundengruppe (Warenwirtschaft)", own=True),
    ],
    "companies": [
        _Property("name", "Company name"),
        _Property("domain", "Company Domain Name"),
        _Property("website", "Website URL"),
        _Property("info_email", "Zentrale E-Mail-Adresse", own=True),
        _Property("vat_id", "USt-IdNr.", own=True),
        _Property("industry", "Industry", "enumeration", "select"),
        _Property("numberofemployees", "Number of Employees", "number", "number"),
        _Property("annualrevenue", "Annual Revenue", "number", "number"),
        _Property("hs_annual_revenue_currency_code", "Annual Revenue Currency Code"),
        _Property("address", "Street Address"),
        _Property("city", "City"),
        _Property("zip", "Postal Code"),
        _Property("country", "Country/Region"),
        _Property("hubspot_owner_id", "Company owner", "enumeration", "select"),
    ],
    "deals": [
        _Property("dealname", "Deal Name"),
        _Property("pipeline", "Pipeline", "enumeration", "select"),
        _Property("dealstage", "Deal Stage", "enumeration", "radio"),
        _Property("hs_is_closed", "Is Deal Closed?", "bool", "booleancheckbox"),
        _Property("hs_is_closed_won", "Is Closed Won", "bool", "booleancheckbox"),
        _Property("hs_is_closed_lost", "Is Closed Lost", "bool", "booleancheckbox"),
        _Property("amount", "Amount", "number", "number"),
        _Property("deal_currency_code", "Currency", "enumeration", "select"),
        _Property("hs_deal_stage_probability", "Deal probability", "number", "number"),
        _Property("closed_lost_reason", "Closed Lost Reason", field="textarea"),
        _Property("hubspot_owner_id", "Deal owner", "enumeration", "select"),
        _Property("createdate", "Create Date", "datetime", "date"),
        _Property("closedate", "Close Date", "datetime", "date"),
        _Property("expected_close_date", "Erwarteter Abschluss", "date", "date", own=True),
        _Property("order_number", "Bestellnummer im Shop", own=True),
    ],
    "calls": _engagement(
        _Property("hs_call_title", "Call Title"),
        _Property("hs_call_duration", "Call Duration", "number", "number"),
        _Property("hs_call_disposition", "Call outcome", "enumeration", "select"),
        _Property("hs_call_status", "Call Status", "enumeration", "select"),
    ),
    "emails": _engagement(
        _Property("hs_email_subject", "Email subject"),
        _Property("hs_email_direction", "Email direction", "enumeration", "select"),
        _Property("hs_email_status", "Email send status", "enumeration", "select"),
    ),
    "meetings": _engagement(
        _Property("hs_meeting_title", "Meeting name"),
        _Property("hs_meeting_start_time", "Start time", "datetime", "date"),
        _Property("hs_meeting_end_time", "End time", "datetime", "date"),
        _Property("hs_meeting_outcome", "Meeting outcome", "enumeration", "select"),
    ),
    "notes": _engagement(_Property("hs_note_body", "Note body", field="html")),
}


def define(store: Store, moment: int) -> None:
    """Writes down the properties that an account begins with."""
    for name in OBJECTS:
        always = [
            _Property("hs_object_id", "Record ID", "number", "number"),
            _Property(CREATED[name], "Create Date", "datetime", "date"),
            _Property(MODIFIED[name], "Last Modified Date", "datetime", "date"),
        ]
        for part in [*_PROPERTIES[name], *always]:
            add(store, name, part.name, part.label, type=part.type, field=part.field, own=part.own, at=moment)


def add(
    store: Store,
    object: str,
    name: str,
    label: str,
    *,
    type: str = "string",
    field: str = "text",
    own: bool = True,
    at: int,
) -> None:
    """Adds a property to an object; `own` ones were made by the company."""
    body: dict[str, Any] = {
        "name": name,
        "label": label,
        "type": type,
        "fieldType": field,
        "description": "",
        "groupName": f"{object.removesuffix('s')}information",
        "options": [],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": name == "hubspot_owner_id",
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": not own,
        "modificationMetadata": {"archivable": own, "readOnlyDefinition": not own, "readOnlyValue": False},
        "formField": own,
        "dataSensitivity": "non_sensitive",
    }
    store.put("properties", [Record(id=f"{object}.{name}", body=body, created=at, updated=at, parent=object)])


def archive(store: Store, object: str, name: str, at: int) -> None:
    """Takes a property of the company's own away."""
    store.delete("properties", f"{object}.{name}", at)


def definitions(store: Store, object: str, *, archived: bool = False) -> list[Record]:
    """The properties of an object, as they are defined now."""
    return store.page("properties", parent=object, limit=1000, deleted=archived)
