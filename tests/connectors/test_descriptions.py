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
    """Where a vendor's description lies below the real data's folder `openapi`, and what is known to be wrong in it."""

    files: Sequence[str]
    exemptions: Sequence[Exemption] = field(default_factory=tuple)


#: Vendors with an OpenAPI description, by connector.
DESCRIBED: dict[str, Described] = {
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
        exchanges = [e for e in one.running.sandbox.exchanges if e.vendor == name]
    report = spec.check(exchanges)
    assert not report.failures, report.text()
    (row,) = report.table()
    _, operations, requests, answers = row
    assert operations > 0
    assert requests == answers == len(exchanges)
    record_property("validated", f"{name}: {operations} operations, {requests} requests, {answers} answers")
