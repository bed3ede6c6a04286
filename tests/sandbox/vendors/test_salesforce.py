"""Salesforce as the sandbox serves it: asked as a client asks, through REST and query jobs."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from sandbox.serve import Running, Sandbox, serving
from sandbox.store import Store
from sandbox.vendors.salesforce import (
    CLIENT_ID,
    CLIENT_SECRET,
    LIMITED_CLIENT_ID,
    LIMITED_TOKEN,
    REFRESH_TOKEN,
    TOKEN,
    objects,
)

DATA = "/services/data/v66.0"
HALF_DAY = 43_200_000


@pytest.fixture(scope="module")
def served(company: Path) -> Iterator[Running]:
    with serving(Sandbox(company, ease=1000)) as run:
        yield run


@pytest.fixture
def living(company: Path, tmp_path: Path) -> Iterator[Running]:
    """A copy that tests may change."""
    shutil.copytree(company, tmp_path / "company")
    with serving(Sandbox(tmp_path / "company", ease=1000, slow_seconds=0.2)) as run:
        yield run


def client(run: Running, token: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=f"{run.url}/salesforce", headers={"Authorization": f"Bearer {token}"})


def store(run: Running) -> Store:
    return run.sandbox.stores["salesforce"]


def ask(run: Running, soql: str, resource: str = "query", **headers: str) -> httpx.Response:
    with client(run) as org:
        return org.get(f"{DATA}/{resource}", params={"q": soql}, headers=headers)


def pages(run: Running, soql: str, resource: str = "query", size: int = 200) -> list[dict[str, Any]]:
    with client(run) as org:
        answer = org.get(
            f"{DATA}/{resource}", params={"q": soql}, headers={"Sforce-Query-Options": f"batchSize={size}"}
        )
        found = [answer.raise_for_status().json()]
        while not found[-1]["done"]:
            found.append(org.get(found[-1]["nextRecordsUrl"]).raise_for_status().json())
    return found


def rows(run: Running, soql: str, resource: str = "query") -> list[dict[str, Any]]:
    return [record for page in pages(run, soql, resource) for record in page["records"]]


def ids(run: Running, soql: str, resource: str = "query") -> list[str]:
    return [record["Id"] for record in rows(run, soql, resource)]


def test_ids_have_the_checksum_of_recorded_ones(real_data: Path) -> None:
    fixtures = real_data / "recorded" / "salesforce" / "spec" / "fixtures" / "sobject"
    known = orjson.loads((fixtures / "get_updated_success_response.json").read_bytes())["ids"]
    known += [
        r["id"] for r in orjson.loads((fixtures / "get_deleted_success_response.json").read_bytes())["deletedRecords"]
    ]
    assert known
    assert [objects.full_id(id[:15]) for id in known] == known


def test_a_description_has_the_parts_of_a_recorded_one(served: Running, real_data: Path) -> None:
    path = real_data / "recorded/salesforce/spec/fixtures/sobject/sobject_describe_success_response.json"
    recorded = orjson.loads(path.read_bytes())
    with client(served) as org:
        ours = org.get(f"{DATA}/sobjects/Contact/describe").json()
    kinds: dict[str, set[type]] = {}
    for field in recorded["fields"]:
        for key, value in field.items():
            kinds.setdefault(key, set()).add(type(value))
    for field in ours["fields"]:
        assert field.keys() == kinds.keys()
        assert all(value is None or type(value) in {*kinds[key], str} for key, value in field.items())
    assert {f["name"]: f["type"] for f in ours["fields"]}.items() >= {"Id": "id", "Birthdate": "date"}.items()


@pytest.mark.parametrize("name", objects.OBJECTS)
def test_paging_gives_every_record_once(served: Running, name: str) -> None:
    wanted = sorted(record.id for record in store(served).page(name, limit=10**6))
    found = pages(served, f"SELECT Id FROM {name}", "queryAll")
    assert all(page["totalSize"] == len(wanted) for page in found)
    assert sorted(r["Id"] for page in found for r in page["records"]) == wanted
    assert len(wanted) > 5


def test_a_long_result_comes_in_pages(living: Running) -> None:
    model = store(living).page("Task", limit=1)[0]
    more = [replace(model, id=objects.record_id("Task", 5_000_000 + number)) for number in range(450)]
    store(living).put("Task", more)
    found = pages(living, "SELECT Id FROM Task", "queryAll")
    assert [len(page["records"]) for page in found[:-1]] == [200] * (len(found) - 1)
    assert len({r["Id"] for page in found for r in page["records"]}) == found[0]["totalSize"] > 450
    assert found[0]["nextRecordsUrl"].endswith("-200")
    assert "nextRecordsUrl" not in found[-1]


def test_a_record_is_as_the_recorded_ones(served: Running) -> None:
    record = rows(served, "SELECT FIELDS(ALL) FROM Opportunity LIMIT 1")[0]
    assert record["attributes"] == {
        "type": "Opportunity",
        "url": f"{DATA}/sobjects/Opportunity/{record['Id']}",
    }
    assert datetime.strptime(record["SystemModstamp"], "%Y-%m-%dT%H:%M:%S.000+0000")
    assert isinstance(record["Amount"], float)
    assert record["IsDeleted"] is False
    with client(served) as org:
        assert org.get(record["attributes"]["url"]).json() == record


def test_conditions_order_limit_and_counts(served: Running) -> None:
    every = rows(served, "SELECT Id, Name, SystemModstamp, Amount, IsWon, AccountId FROM Opportunity")
    middle = sorted(r["SystemModstamp"] for r in every)[len(every) // 2]
    zulu = middle.replace(".000+0000", "Z")
    later = rows(
        served, f"SELECT Id, SystemModstamp FROM Opportunity WHERE SystemModstamp >= {zulu} ORDER BY SystemModstamp"
    )
    assert [r["SystemModstamp"] for r in later] == sorted(
        r["SystemModstamp"] for r in every if r["SystemModstamp"] >= middle
    )
    won = "IsWon = true AND (Amount > 100 OR NOT AccountId = null)"
    wanted = [r["Id"] for r in every if r["IsWon"] and (r["Amount"] > 100 or r["AccountId"])]
    assert ids(served, f"select id from opportunity where {won}") == wanted
    assert ask(served, f"SELECT COUNT() FROM Opportunity WHERE {won}").json() == {
        "totalSize": len(wanted),
        "done": True,
        "records": [],
    }
    aggregated = ask(served, "SELECT COUNT(Id), MAX(SystemModstamp) FROM Opportunity").json()["records"]
    newest = max(r["SystemModstamp"] for r in every)
    assert aggregated == [{"attributes": {"type": "AggregateResult"}, "expr0": len(every), "expr1": newest}]
    few = [r["Id"] for r in every[1:3]]
    assert ids(served, f"SELECT Id FROM Opportunity WHERE Id IN ('{few[0]}', '{few[1][:15]}')") == few
    assert ids(served, "SELECT Id FROM Opportunity ORDER BY Id DESC LIMIT 3 OFFSET 2") == [
        r["Id"] for r in sorted(every, key=lambda r: r["Id"], reverse=True)[2:5]
    ]
    name = every[0]["Name"]
    assert every[0]["Id"] in ids(served, f"SELECT Id FROM Opportunity WHERE Name LIKE '{name[:5].upper()}%'")


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT 5 extra", "MALFORMED_QUERY"),
        ("SELECT Id FROM Accounts", "INVALID_TYPE"),
        ("SELECT Id, Colour FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = Bauer", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY BillingAddress", "INVALID_FIELD"),
        ("SELECT Id FROM Account LIMIT 10 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_what_salesforce_would_refuse_is_refused(served: Running, soql: str, code: str) -> None:
    answer = ask(served, soql)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert error["errorCode"] == code
    assert error["message"]


def test_versions_paths_and_locators_are_checked(served: Running) -> None:
    with client(served) as org:
        assert "66.0" in [v["version"] for v in org.get("/services/data").json()]
        assert org.get("/services/data/v66/query").status_code == 404
        assert org.get("/services/data/v99.0/limits").status_code == 404
        gone = org.get("/services/data/v29.0/limits")
        assert (gone.status_code, gone.json()[0]["errorCode"]) == (410, "UNSUPPORTED_API_VERSION")
        assert org.get(f"{DATA}/query/01gQm0000000001AAA-2000").json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
        assert org.get(f"{DATA}/nothing").json() == [
            {"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}
        ]
        long = f"SELECT Id FROM Contact WHERE Id IN ({','.join(['%27003Qm0000000ID2IAM%27'] * 800)})"
        assert org.get(f"{DATA}/query", params={"q": long}).status_code == 414


def test_old_activities_and_deleted_records_are_for_query_all_only(living: Running) -> None:
    year_ago = (datetime.fromtimestamp(living.sandbox.now() / 1000, UTC) - timedelta(days=365)).date().isoformat()
    seen, everything = (
        rows(living, "SELECT Id, ActivityDate FROM Task"),
        rows(living, "SELECT Id, ActivityDate, IsArchived FROM Task", "queryAll"),
    )
    assert 0 < len(seen) < len(everything)
    assert min(r["ActivityDate"] for r in seen) > year_ago
    assert all(r["IsArchived"] == (r["ActivityDate"] <= year_ago) for r in everything)

    gone, long_gone = ids(living, "SELECT Id FROM Lead LIMIT 2")
    now = living.sandbox.now()
    store(living).delete("Lead", gone, now - 60_000)
    store(living).delete("Lead", long_gone, now - 16 * 86_400_000)
    assert not {gone, long_gone} & set(ids(living, "SELECT Id FROM Lead"))
    assert ids(living, "SELECT Id FROM Lead WHERE IsDeleted = true", "queryAll") == [gone]


def window(run: Running, days: float) -> dict[str, str]:
    end = datetime.fromtimestamp(run.sandbox.now() / 1000, UTC)
    return {"start": (end - timedelta(days=days)).isoformat(), "end": end.isoformat()}


def test_replication_tells_what_was_deleted_and_updated(living: Running) -> None:
    changes = living.sandbox.night()["salesforce"]["Contact"]
    with client(living) as org:
        deleted = org.get(f"{DATA}/sobjects/Contact/deleted/", params=window(living, 1)).json()
        updated = org.get(f"{DATA}/sobjects/Contact/updated/", params=window(living, 1)).json()
        assert [r["id"] for r in deleted["deletedRecords"]] == changes.deleted
        assert sorted(updated["ids"]) == sorted(changes.added + changes.changed)
        for resource, days in (("deleted", 16), ("updated", 31), ("deleted", 0.0001), ("updated", -1)):
            refused = org.get(f"{DATA}/sobjects/Contact/{resource}/", params=window(living, days))
            assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")
        assert org.get(f"{DATA}/sobjects/Contact/deleted/").status_code == 400


def job(run: Running, soql: str, operation: str = "query", **more: str) -> dict[str, Any]:
    with client(run) as org:
        return org.post(f"{DATA}/jobs/query", json={"operation": operation, "query": soql, **more}).json()


def complete(org: httpx.Client, id: str) -> dict[str, Any]:
    states = []
    for _ in range(5):
        look = org.get(f"{DATA}/jobs/query/{id}").json()
        states.append(look["state"])
        if look["state"] == "JobComplete":
            assert "InProgress" in states
            return look
    raise AssertionError(states)


def test_a_query_job_gives_every_record_once_in_sets(served: Running) -> None:
    wanted = rows(served, "SELECT Id, Name, SystemModstamp, Amount, AccountId, IsWon FROM Opportunity")
    made = job(served, "SELECT Id, Name, SystemModstamp, Amount, AccountId, IsWon FROM Opportunity")
    assert (made["state"], made["object"], made["apiVersion"]) == ("UploadComplete", "Opportunity", 66.0)
    with client(served) as org:
        results = f"{DATA}/jobs/query/{made['id']}/results"
        assert org.get(results).json()[0]["errorCode"] == "INVALIDJOBSTATE"
        assert complete(org, made["id"])["numberRecordsProcessed"] == len(wanted)
        found, locator = [], ""
        while locator != "null":
            answer = org.get(results, params={"maxRecords": "17"} | ({"locator": locator} if locator else {}))
            part = list(csv.DictReader(io.StringIO(answer.text)))
            assert answer.headers["Sforce-NumberOfRecords"] == str(len(part))
            assert answer.headers["Content-Type"].startswith("text/csv")
            found += part
            locator = answer.headers["Sforce-Locator"]
        assert org.get(results.replace("v66", "v65")).status_code == 409
        assert org.delete(f"{DATA}/jobs/query/{made['id']}").status_code == 204
        assert org.get(results).status_code == 404
    assert list(found[0]) == ["Id", "Name", "SystemModstamp", "Amount", "AccountId", "IsWon"]
    assert [r["Id"] for r in found] == [r["Id"] for r in wanted]
    assert [r["SystemModstamp"] for r in found] == [r["SystemModstamp"].replace("+0000", "Z") for r in wanted]
    assert [float(r["Amount"]) for r in found] == [r["Amount"] for r in wanted]
    assert {r["IsWon"] for r in found} == {"true", "false"}


def test_query_jobs_refuse_what_bulk_cannot_do(served: Running) -> None:
    for wrong in (
        job(served, "SELECT COUNT() FROM Account"),
        job(served, "SELECT Id FROM Account LIMIT 5 OFFSET 5"),
        job(served, "SELECT Id, BillingAddress FROM Account"),
        job(served, "SELECT Nothing FROM Account"),
        job(served, "SELECT Id FROM Account", "read"),
        job(served, "SELECT Id FROM Account", contentType="JSON"),
        job(served, "SELECT Id FROM Account", colour="red"),
    ):
        assert isinstance(wrong, list)
        assert wrong[0]["errorCode"]
    everything = job(served, "SELECT Id FROM Task", "queryAll", columnDelimiter="TAB", lineEnding="CRLF")
    with client(served) as org:
        assert complete(org, everything["id"])["numberRecordsProcessed"] == store(served).count("Task")
        text = org.get(f"{DATA}/jobs/query/{everything['id']}/results").text
    assert text.startswith('"Id"\r\n"00T')


def token(run: Running, **form: str) -> httpx.Response:
    return httpx.post(f"{run.url}/salesforce/services/oauth2/token", data=form)


def test_tokens(living: Running) -> None:
    secret = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    answer = token(living, grant_type="client_credentials", **secret).json()
    assert answer["access_token"] == TOKEN
    assert answer["instance_url"] == f"{living.url}/salesforce"
    living.plan("salesforce", "expired_token", after=1)
    assert ask(living, "SELECT Id FROM Account").status_code == 200
    ended = ask(living, "SELECT Id FROM Account")
    assert (ended.status_code, ended.json()) == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )
    assert ask(living, "SELECT Id FROM Account").status_code == 401
    fresh = token(living, grant_type="refresh_token", refresh_token=REFRESH_TOKEN, **secret).json()["access_token"]
    assert ask(living, "SELECT Id FROM Account", Authorization=f"Bearer {fresh}").status_code == 200
    for wrong, error in (
        ({"grant_type": "client_credentials", **secret, "client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", **secret, "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "refresh_token", **secret, "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "password", **secret}, "unsupported_grant_type"),
    ):
        refused = token(living, **wrong)
        assert (refused.status_code, refused.json()["error"]) == (400, error)


def test_what_a_user_may_not_see_does_not_exist_for_them(served: Running) -> None:
    limited = token(served, grant_type="client_credentials", client_id=LIMITED_CLIENT_ID, client_secret=CLIENT_SECRET)
    assert limited.json()["access_token"] == LIMITED_TOKEN
    with client(served, LIMITED_TOKEN) as org:
        assert org.get(f"{DATA}/query", params={"q": "SELECT Id FROM Contact"}).status_code == 200
        refused = org.get(f"{DATA}/query", params={"q": "SELECT Id FROM Opportunity"})
        assert refused.json()[0]["errorCode"] == "INVALID_TYPE"
        assert org.get(f"{DATA}/sobjects/Task/describe").status_code == 404
        assert "Task" not in [o["name"] for o in org.get(f"{DATA}/sobjects").json()["sobjects"]]


def test_limits_are_told_and_kept(company: Path) -> None:
    with serving(Sandbox(company, ease=0.00002)) as run:
        first, second, third = (ask(run, "SELECT Id FROM User") for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 403)
    assert first.headers["Sforce-Limit-Info"] == "api-usage=99999/100000"
    assert third.json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]


def test_a_night_changes_just_what_it_says(living: Running) -> None:
    for number in (1, 2, 3):
        before = {name: {r.id: r for r in store(living).page(name, limit=10**6)} for name in objects.OBJECTS}
        changes = living.sandbox.night()["salesforce"]
        for name in objects.OBJECTS:
            after = {r.id: r for r in store(living).page(name, limit=10**6)}
            change = changes[name]
            assert set(after) - set(before[name]) == set(change.added)
            assert set(before[name]) - set(after) == set(change.deleted)
            edited = {id for id, record in after.items() if id in before[name] and record != before[name][id]}
            assert edited == set(change.changed)
            newest = max(r.updated for r in before[name].values())
            assert all(after[id].updated > newest for id in (*change.added, *change.changed))
            assert change.added, (number, name)
        assert changes["Opportunity"].changed
        assert changes["OpportunityHistory"].deleted


def test_custom_fields_come_and_go(living: Running) -> None:
    wanted = "SELECT Id, Segment__c FROM Contact"
    assert ask(living, wanted).status_code == 400
    living.sandbox.night()
    living.sandbox.night()
    assert {r["Segment__c"] for r in rows(living, wanted)} > {None}
    assert ask(living, "SELECT Language__c FROM Contact").status_code == 200
    living.sandbox.night()
    assert ask(living, "SELECT Language__c FROM Contact").json()[0]["errorCode"] == "INVALID_FIELD"


def test_a_moving_page_shifts_what_is_paged_by_offset_and_loses_nothing(living: Running) -> None:
    paged = "SELECT Id FROM Lead ORDER BY SystemModstamp LIMIT 10 OFFSET {}"
    wanted = store(living).count("Lead")
    living.plan("salesforce", "moving_page", after=1, times=5)
    seen = [id for offset in range(0, wanted, 10) for id in ids(living, paged.format(offset))]
    assert len(set(seen)) < wanted
    assert len(set(ids(living, "SELECT Id FROM Lead"))) == wanted


def test_faults_strike(living: Running) -> None:
    for kind, status in (("too_many_requests", 403), ("server_error", 500)):
        living.plan("salesforce", kind, after=0)
        assert ask(living, "SELECT Id FROM User").status_code == status
    living.plan("salesforce", "truncated_json", after=0)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        ask(living, "SELECT Id FROM User").json()
