"""What is true of every connector that reads an interface: nothing twice, nothing lost, only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import registry
from connectors.load import load
from tests.connectors.cleaning import cleaning
from tests.connectors.served import OPTIONS, served


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def test_every_connector_of_an_interface_is_tested_here() -> None:
    assert {c.name for c in registry.all_connectors() if c.api} - {"rest"} == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_second_load_of_the_same_night_writes_nothing(name: str, made: Path, tmp_path: Path) -> None:
    with served(name, made=made, root=tmp_path) as one:
        first = one.load()
        assert first.changed
        assert sum(first.tables.values()) > 0
        assert [c for c in first.counts if c.difference] == []
        before = (tmp_path / "raw/source.duckdb").read_bytes()
        second = one.load()
        assert (second.changed, sum(second.tables.values())) == (False, 0)
        assert (tmp_path / "raw/source.duckdb").read_bytes() == before


@pytest.mark.parametrize("name", OPTIONS)
def test_three_nights_end_where_a_load_from_nothing_ends(name: str, made: Path, tmp_path: Path) -> None:
    with served(name, made=made, root=tmp_path) as one:
        one.load()
        whole = sum(len(rows) for rows in one.dump().values())
        for _ in range(3):
            changed = one.running.sandbox.night()[name]
            touched = sum(len(c.added) + len(c.changed) + len(c.deleted) for c in changed.values())
            assert touched > 0
            report = one.load()
            assert report.changed
            assert sum(report.tables.values()) < whole
            assert [c for c in report.counts if c.difference] == []
        one.load("anew")
        assert one.dump(live=True) == one.dump("anew", live=True)
        deleted = sum(one.sql(f'SELECT count(*) FROM raw."{t}" WHERE is_deleted')[0][0] for t in one.tables())
        assert deleted > 0


@pytest.mark.parametrize("name", OPTIONS)
def test_a_good_key_is_good_and_a_wrong_one_is_named(name: str, made: Path, tmp_path: Path) -> None:
    connector = registry.get(name)
    assert connector.connect is not None
    with served(name, made=made, root=tmp_path) as one:
        assert connector.connect(one.source) == []
        secret = next(k for k, f in connector.options.model_fields.items() if "SecretStr" in str(f.annotation))
        one.more[secret] = "wrong"
        (sentence, *_) = connector.connect(one.source)
        assert connector.title in sentence
        assert "wrong" not in sentence
        with pytest.raises(Exception, match=connector.title):
            load(one.source, raw_dir=tmp_path / "refused", wait_seconds=5)
        assert not (tmp_path / "refused/source.duckdb").exists()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_new_field_is_a_finding(name: str, made: Path, tmp_path: Path) -> None:
    with served(name, made=made, root=tmp_path) as one:
        assert [f for f in one.load().findings if f.kind.startswith("column_")] == []
        kinds = set()
        for _ in range(3):
            one.running.sandbox.night()
            kinds |= {f.kind for f in one.load().findings}
        assert "column_added" in kinds
        noted = one.sql("SELECT DISTINCT change FROM raw._drift")
        assert ("added",) in noted


@pytest.mark.parametrize("name", [n for n in OPTIONS if registry.get(n).mappings])
def test_every_mapping_of_a_connector_gives_clean_rows(name: str, made: Path, tmp_path: Path) -> None:
    folder = registry.get(name).mappings
    assert folder is not None
    with served(name, made=made, root=tmp_path) as one:
        one.load()
    empty = []
    with cleaning(one) as clean:
        for path in sorted(folder.glob("*.sql")):
            assert path.read_text(encoding="utf-8").startswith("-- One row per ")
            empty += [] if clean(path.stem) else [path.stem]
    assert empty == []
