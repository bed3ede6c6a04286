"""millpond.toml: what is read from it, and one sentence for every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.company import CompanyError, find_company, load_company

GOOD = """
name = "Acme"
base_currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"

[sources.shop]
connector = "files"
path = "${SHOP_DIR}/orders"
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLPOND_HOME", raising=False)
    monkeypatch.delenv("MILLPOND_COMPANY", raising=False)
    monkeypatch.delenv("SHOP_DIR", raising=False)


def write(folder: Path, toml: str, env: str = "SHOP_DIR=/data\n") -> Path:
    (folder / "millpond.toml").write_text(toml)
    (folder / ".env").write_text(env)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(CompanyError) as caught:
        load_company(folder)
    return caught.value.problems


def test_reads_options_and_names_from_env_file(tmp_path: Path) -> None:
    company = load_company(write(tmp_path, GOOD))
    assert company.config.sources["shop"].options == {"path": "/data/orders"}
    assert company.home.root == (tmp_path / "lake").resolve()


def test_environment_wins_over_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DIR", "/elsewhere")
    assert load_company(write(tmp_path, GOOD)).config.sources["shop"].options["path"] == "/elsewhere/orders"


def test_name_that_is_not_set_is_one_sentence(tmp_path: Path) -> None:
    (found,) = problems(write(tmp_path, GOOD, env=""))
    assert "sources.shop.path uses ${SHOP_DIR}, which is not set" in found
    assert str(tmp_path / ".env") in found


def test_unknown_key_names_the_near_one(tmp_path: Path) -> None:
    (found,) = problems(write(tmp_path, GOOD.replace("base_currency", "base_curency")))[:1]
    assert "base_curency" in found or "base_currency is missing" in found
    whole = " ".join(problems(tmp_path))
    assert "unknown key base_curency; did you mean base_currency?" in whole
    assert "key base_currency is missing" in whole


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"Europe/Berlin"', '"Berlin"', "Berlin is not an IANA time zone"),
        ('country = "DE"', 'country = "Germany"', "country = 'Germany'"),
        ("[sources.shop]", "[sources.Shop]", "source name 'Shop'"),
        ('connector = "files"', "", "key sources.shop.connector is missing"),
        ('name = "Acme"', 'name = "Acme', "is not valid TOML"),
        (
            "[sources.shop]",
            "[sources.shop]\ntrust = 101",
            "sources.shop.trust = 101: Input should be less than or equal",
        ),
        (
            "[sources.shop]",
            "[trust.emial]\nshop = 1\n[sources.shop]",
            "trust.emial: there is no such column; did you mean email?",
        ),
        (
            "[sources.shop]",
            "[trust.email]\nshpo = 1\n[sources.shop]",
            "trust.email.shpo: there is no such source; did you mean shop?",
        ),
        (
            "[sources.shop]",
            "[trust.city]\nshop = 1\n[sources.shop]",
            "trust.city: it comes from one record with all of address; write [trust.address].",
        ),
        (
            "[sources.shop]",
            "[trust.email]\nshop = true\n[sources.shop]",
            "trust.email.shop = True: Input should be a valid integer",
        ),
    ],
)
def test_mistakes_become_sentences(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in " ".join(problems(write(tmp_path, GOOD.replace(old, new))))


def test_trust_is_the_sources_but_where_a_column_says_otherwise(tmp_path: Path) -> None:
    toml = GOOD + 'trust = 70\n[sources.crm]\nconnector = "files"\n[trust.email]\nshop = 0\n'
    config = load_company(write(tmp_path, toml)).config
    trusted = {(s, c): config.trust_in(s, c) for s in ("shop", "crm") for c in ("email", "phone")}
    assert trusted == {("shop", "email"): 0, ("shop", "phone"): 70, ("crm", "email"): 50, ("crm", "phone"): 50}
    assert config.sources["shop"].options == {"path": "/data/orders"}


def test_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    (found,) = problems(tmp_path)
    assert "millpond init" in found


def test_finds_the_current_folder_only_with_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_company() is None
    write(tmp_path, GOOD)
    assert find_company() == tmp_path
