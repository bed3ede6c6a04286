"""Mappings are checked before they run, and completed with where each row came from."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from transforms.mapping import Mapping, MappingError, bind_problems, prepare, qualified
from warehouse.contracts import entities

RAW = {
    "people": {
        "id": "VARCHAR",
        "mail": "VARCHAR",
        "Shoe Size": "VARCHAR",
        "_file": "VARCHAR",
        "_row": "BIGINT",
        "_loaded_at": "TIMESTAMPTZ",
        "_dlt_id": "VARCHAR",
    },
    "events": {"payload": "JSON"},
}
CONTACT = entities()["contact"]


def outputs(sql: str) -> dict[str, object]:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA raw")
    con.execute(
        "CREATE TABLE raw.people AS SELECT '1' AS id, 'a@b.de' AS mail, '42' AS \"Shoe Size\", 'p.csv' AS _file, "
        "7::BIGINT AS _row, now() AS _loaded_at, 'x' AS _dlt_id"
    )
    result = con.execute(prepare(sql, RAW, CONTACT, "crm"))
    return dict(zip([d[0] for d in result.description or []], result.fetchall()[0], strict=True))


def test_plain_select_gets_source_unmapped_columns_file_and_row() -> None:
    assert outputs("SELECT p.id AS source_id, p.mail AS email FROM raw.people AS p WHERE p.id IS NOT NULL") == {
        "source_id": "1",
        "email": "a@b.de",
        "source": "crm",
        "extra": '{"Shoe Size":"42"}',
        "source_file": "p.csv",
        "source_row": 7,
    }


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id AS source_id, max(mail) AS email FROM raw.people GROUP BY id",
        "SELECT DISTINCT id AS source_id, mail AS email FROM raw.people",
        "SELECT id AS source_id, mail AS email FROM raw.people UNION ALL SELECT id, mail FROM raw.people",
        "WITH p AS (SELECT id, mail FROM raw.people) SELECT id AS source_id, mail AS email FROM p",
        "SELECT max(id) AS source_id, max(mail) AS email FROM raw.people",
    ],
)
def test_combined_rows_have_no_file_of_their_own(sql: str) -> None:
    assert outputs(sql) == {"source": "crm", "source_id": "1", "email": "a@b.de"}


@pytest.mark.parametrize(
    "sql",
    ["SELECT id AS source_id FROM raw.people", "SELECT id AS source_id FROM raw.people GROUP BY id"],
)
def test_preparing_twice_changes_nothing(sql: str) -> None:
    once = prepare(sql, RAW, CONTACT, "crm")
    assert prepare(once, RAW, CONTACT, "crm") == once


def test_tables_are_named_in_the_catalog_of_the_source() -> None:
    sql = "SELECT id AS source_id, (SELECT count(*) FROM raw.events) AS job_title FROM raw.people"
    assert qualified(sql, "raw_crm").count('"raw_crm".raw.') == 2


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE raw.people", "one SELECT, but here is DROP"),
        ("COPY raw.people TO 'x'", "one SELECT, but here is COPY"),
        ("SELECT id AS source_id FROM raw.people; SELECT 1", "2 statements"),
        ("", "no statement"),
        ("selec id", "no statement"),
        ("SELECT id AS source_id FROM raw.people WHERE (", "line 1: SQL that cannot be read"),
        ("SELECT * FROM raw.people", "replace *"),
        ("SELECT id AS source_id\nFROM read_csv('x.csv')", "line 2: a mapping may not call read_csv()"),
        ("SELECT id AS source_id FROM 'x.csv'", "raw tables only"),
        ("SELECT id AS source_id FROM core.customer", "not core.customer"),
        ("SELECT id AS source_id FROM people", "write raw.<table>"),
        ("SELECT id AS source_id FROM raw.nobody", "raw.nobody does not exist; the source has: events, people"),
        ("SELECT id AS source_id, getenv('HOME') AS email FROM raw.people", "getenv()"),
        ("SELECT id AS source_id FROM duckdb_settings()", "duckdb_settings()"),
        ("SELECT id AS source_id FROM raw.people WHERE id IN (SELECT x FROM read_text('x'))", "read_text()"),
        ("SELECT id AS source_id, mail AS emial FROM raw.people", "no column emial; did you mean email?"),
        ("SELECT mail AS email FROM raw.people", "no source_id"),
        ("SELECT id AS source_id, mail AS email, id AS email FROM raw.people", "email is given twice"),
        ("SELECT id AS source_id, upper(mail) FROM raw.people", "has no name"),
    ],
)
def test_what_a_mapping_may_not_do_is_one_sentence(sql: str, said: str) -> None:
    with pytest.raises(MappingError) as caught:
        prepare(sql, RAW, CONTACT, "crm")
    assert said in str(caught.value)


def problems(sql: str, entity: str = "contact") -> list[str]:
    mapping = Mapping("crm", entity, Path(f"mappings/crm/{entity}.sql"), sql)
    return bind_problems(mapping, RAW, entities()[entity])


def test_mapping_that_binds_has_no_problems() -> None:
    assert problems("SELECT id AS source_id, mail AS email FROM raw.people") == []


def test_unknown_column_is_named_with_file_and_line() -> None:
    (said,) = problems("SELECT id AS source_id,\n  mial AS email\nFROM raw.people")
    assert said.startswith("mappings/crm/contact.sql, line 2:")
    assert "mial" in said


def test_missing_mandatory_column_is_a_problem() -> None:
    (said,) = problems("SELECT id AS source_id FROM raw.people", "company")
    assert "company needs name" in said
