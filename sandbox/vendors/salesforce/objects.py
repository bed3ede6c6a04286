"""The objects of the Salesforce org and their fields, as `describe` tells them; custom fields come and go with nights.

Types and system fields as in https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/.
What records hold belongs in `records`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.store import Store

_SOAP = {
    **{"id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "date": "xsd:date"},
    **{"datetime": "xsd:dateTime", "currency": "xsd:double", "percent": "xsd:double", "double": "xsd:double"},
    "address": "urn:address",
}
NUMBERS = frozenset({"int", "double", "currency", "percent"})
TEXTS = frozenset({"string", "email", "phone", "url", "picklist", "textarea", "id", "reference"})
#: Fields that the org keeps by itself, on every object unless it says otherwise.
AUDIT = "CreatedDate:datetime CreatedById:reference(User) LastModifiedDate:datetime LastModifiedById:reference(User)"
_SYSTEM = f"{AUDIT} SystemModstamp:datetime"

_FIELDS = {
    "User": "Username:string LastName:string FirstName:string Name:string Email:email Department:string Title:string "
    f"IsActive:boolean UserType:picklist {_SYSTEM}",
    "Account": "IsDeleted:boolean MasterRecordId:reference(Account) Name:string Type:picklist BillingStreet:textarea "
    "BillingCity:string BillingState:string BillingPostalCode:string BillingCountry:string BillingAddress:address "
    "Phone:phone Website:url Industry:picklist AnnualRevenue:currency NumberOfEmployees:int Description:textarea "
    f"CurrencyIsoCode:picklist OwnerId:reference(User) {_SYSTEM} Email__c:email VAT_ID__c:string",
    "Contact": "IsDeleted:boolean MasterRecordId:reference(Contact) AccountId:reference(Account) LastName:string "
    "FirstName:string Name:string MailingStreet:textarea MailingCity:string MailingState:string "
    "MailingPostalCode:string MailingCountry:string MailingAddress:address Phone:phone Email:email Title:string "
    "LeadSource:picklist Birthdate:date Description:textarea CurrencyIsoCode:picklist OwnerId:reference(User) "
    f"HasOptedOutOfEmail:boolean {_SYSTEM} Language__c:picklist",
    "Lead": "IsDeleted:boolean MasterRecordId:reference(Lead) LastName:string FirstName:string Name:string "
    "Title:string Company:string Street:textarea City:string State:string PostalCode:string Country:string "
    "Address:address Phone:phone Email:email LeadSource:picklist Status:picklist CurrencyIsoCode:picklist "
    "OwnerId:reference(User) HasOptedOutOfEmail:boolean IsConverted:boolean ConvertedDate:date "
    f"ConvertedAccountId:reference(Account) ConvertedContactId:reference(Contact) {_SYSTEM}",
    "Opportunity": "IsDeleted:boolean AccountId:reference(Account) Name:string Description:textarea "
    "StageName:picklist Amount:currency Probability:percent ExpectedRevenue:currency CloseDate:date Type:picklist "
    "LeadSource:picklist IsClosed:boolean IsWon:boolean ForecastCategory:picklist ForecastCategoryName:picklist "
    f"CurrencyIsoCode:picklist OwnerId:reference(User) ContactId:reference(Contact) {_SYSTEM} "
    "LastStageChangeDate:datetime Loss_Reason__c:picklist Order_Number__c:string",
    "OpportunityHistory": "OpportunityId:reference(Opportunity) CreatedById:reference(User) CreatedDate:datetime "
    "StageName:picklist Amount:currency ExpectedRevenue:currency CloseDate:date Probability:percent "
    "ForecastCategory:picklist CurrencyIsoCode:picklist SystemModstamp:datetime IsDeleted:boolean",
    "Task": "WhoId:reference(Contact) WhatId:reference(Opportunity) Subject:string ActivityDate:date Status:picklist "
    "Priority:picklist OwnerId:reference(User) Description:textarea CurrencyIsoCode:picklist IsDeleted:boolean "
    f"AccountId:reference(Account) IsClosed:boolean {_SYSTEM} IsArchived:boolean CallDurationInSeconds:int "
    "CallType:picklist CallDisposition:string TaskSubtype:picklist CompletedDateTime:datetime",
    "Event": "WhoId:reference(Contact) WhatId:reference(Opportunity) Subject:string Location:string "
    "IsAllDayEvent:boolean ActivityDateTime:datetime ActivityDate:date DurationInMinutes:int StartDateTime:datetime "
    "EndDateTime:datetime Description:textarea AccountId:reference(Account) OwnerId:reference(User) "
    f"CurrencyIsoCode:picklist IsDeleted:boolean {_SYSTEM} IsArchived:boolean EventSubtype:picklist",
}
PREFIXES = {
    **{"User": "005", "Account": "001", "Contact": "003", "Lead": "00Q", "Opportunity": "006"},
    **{"OpportunityHistory": "008", "Task": "00T", "Event": "00U"},
}
OBJECTS = tuple(_FIELDS)
#: Fields that every record has; all others may be null.
_REQUIRED = frozenset(
    {
        *("Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "OwnerId"),
        *("IsDeleted", "IsArchived", "IsClosed", "IsWon", "IsConverted", "IsActive", "IsAllDayEvent"),
        *("HasOptedOutOfEmail", "LastName", "Username", "StageName", "CloseDate"),
    }
)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; `target` is the object that a reference leads to."""

    name: str
    kind: str
    target: str = ""

    @property
    def custom(self) -> bool:
        """Whether the company made it."""
        return self.name.endswith("__c")


def fields(store: Store, name: str) -> dict[str, Field]:
    """The fields of an object as of now."""
    changes = store.note("fields", {}).get(name, {})
    texts = ["Id:id", *_FIELDS[name].split(), *changes.get("added", [])]
    found = (_field(text) for text in texts)
    return {field.name: field for field in found if field.name not in changes.get("dropped", [])}


def add_field(store: Store, name: str, text: str) -> None:
    """Gives an object one more custom field, written as in this module's table."""
    _change(store, name, "added", text)


def drop_field(store: Store, name: str, field: str) -> None:
    """Takes a custom field from an object."""
    _change(store, name, "dropped", field)


def record_id(name_or_prefix: str, number: int) -> str:
    """The 18-character id of a record, with its checksum of upper and lower case."""
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return full_id(f"{PREFIXES.get(name_or_prefix, name_or_prefix)}Qm0{digits}")


def full_id(short: str) -> str:
    """The id of 18 characters to one of 15."""
    flags = (sum(1 << i for i, c in enumerate(short[start : start + 5]) if c.isupper()) for start in (0, 5, 10))
    return short + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[flag] for flag in flags)


def stamp(milliseconds: int) -> str:
    """A time as the interface writes it; in this form times sort as text."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{milliseconds % 1000:03d}+0000"
    )


def describe(store: Store, name: str, version: str) -> dict[str, Any]:
    """What `describe` answers."""
    return {**summary(name, version), "fields": [_described(field) for field in fields(store, name).values()]}


def summary(name: str, version: str) -> dict[str, Any]:
    """An object as the list of objects shows it."""
    base = f"/services/data/v{version}/sobjects/{name}"
    is_history = name == "OpportunityHistory"
    return {
        "name": name,
        "label": name,
        "labelPlural": f"{name}s",
        "keyPrefix": PREFIXES[name],
        "custom": False,
        "customSetting": False,
        "deprecatedAndHidden": False,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": not is_history,
        "createable": not is_history,
        "updateable": not is_history,
        "deletable": not is_history and name != "User",
        "undeletable": not is_history and name != "User",
        "mergeable": name in ("Account", "Contact", "Lead"),
        "layoutable": not is_history,
        "activateable": False,
        "feedEnabled": not is_history,
        "triggerable": not is_history,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _change(store: Store, name: str, word: str, text: str) -> None:
    changes: dict[str, dict[str, list[str]]] = store.note("fields", {})
    changes.setdefault(name, {}).setdefault(word, []).append(text)
    store.write_note("fields", changes)


def _field(text: str) -> Field:
    name, _, kind = text.partition(":")
    kind, _, target = kind.rstrip(")").partition("(")
    return Field(name=name, kind=kind, target=target)


def _described(field: Field) -> Mapping[str, Any]:
    is_number, is_text = field.kind in NUMBERS, field.kind in TEXTS
    length = {"id": 18, "reference": 18, "email": 80, "phone": 40, "textarea": 32_000}.get(field.kind, 255)
    targets: Sequence[str] = [field.target] if field.target else []
    return {
        "name": field.name,
        "label": field.name.removesuffix("__c").replace("_", " "),
        "type": field.kind,
        "soapType": _SOAP.get(field.kind, "xsd:string"),
        "length": length if is_text else 0,
        "byteLength": length * 3 if is_text else 0,
        "precision": 18 if is_number and field.kind != "int" else 0,
        "scale": 2 if field.kind in ("currency", "double") else 0,
        "digits": 8 if field.kind == "int" else 0,
        "nillable": field.name not in _REQUIRED,
        "custom": field.custom,
        "calculated": False,
        "calculatedFormula": None,
        "createable": field.name not in _REQUIRED,
        "updateable": field.name not in _REQUIRED,
        "filterable": field.kind not in ("address", "textarea"),
        "sortable": field.kind not in ("address", "textarea"),
        "groupable": is_text,
        "unique": False,
        "externalId": False,
        "idLookup": field.name == "Id",
        "nameField": field.name == "Name",
        "namePointing": False,
        "autoNumber": False,
        "caseSensitive": False,
        "defaultValue": None,
        "defaultValueFormula": None,
        "defaultedOnCreate": field.name in _REQUIRED,
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "htmlFormatted": False,
        "inlineHelpText": None,
        "controllerName": None,
        "picklistValues": [],
        "restrictedPicklist": False,
        "referenceTo": targets,
        "relationshipName": field.name.removesuffix("Id") if targets else None,
        "relationshipOrder": None,
        "writeRequiresMasterRead": False,
    }
