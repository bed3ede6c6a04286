"""A backup is whole or is none; a restore replaces everything or nothing, and deletes nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse import backup, decisions, locks, meta, publish, restore, store, upgrade
from warehouse.backup import BackupError
from warehouse.company import Company, load_company

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
TOML = """
name = "Müller & Co"
base_currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"

[sources.crm]
connector = "files"
path = "${CRM_FOLDER}"
"""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company after a night, with a load that was cut off and a token that a system rotated."""
    root = tmp_path_factory.mktemp("made") / "acme"
    for name, text in (
        ("millpond.toml", TOML),
        (".env", "CRM_FOLDER=exports\n"),
        ("metrics.yaml", "metrics: []\n"),
        ("mappings/crm/contact.sql", "SELECT id AS source_id FROM raw.contacts\n"),
        ("exports/contacts.csv", "id\n1\n"),
    ):
        write(root / name, text)
    company = load_company(root)
    home = company.home
    home.create()
    with duckdb.connect(str(home.raw_file("crm"))) as con:
        con.execute("CREATE SCHEMA raw")
        con.execute("CREATE TABLE raw.contacts AS SELECT range AS id FROM range(1000)")
    meta.write_note(home, meta.LoadNote("crm", "files", NOW, ok=True))
    write(home.raw / ".pending" / "crm" / "plan.json", "{}")
    write(home.secrets / "crm.json", "token")
    duckdb.connect(str(home.linkage)).close()
    decisions.decide(home, "a", "b", "same", by="ada", at=NOW)
    publish_value(company, 1)
    upgrade.mark(home, 0)
    return root


@pytest.fixture
def company(made_once: Path, tmp_path: Path) -> Company:
    """That company, to do with as a test likes."""
    return a_copy(made_once, tmp_path / "acme")


def a_copy(made_once: Path, root: Path) -> Company:
    shutil.copytree(made_once, root)
    company = load_company(root)
    company.home.warehouse.unlink()
    company.home.warehouse.hardlink_to(max(company.home.versions.iterdir()))
    return company


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def publish_value(company: Company, value: int) -> None:
    """A version in which there is one customer of that number."""
    with store.open_build(company.home) as con:
        meta.ensure(con)
        con.execute(f"CREATE OR REPLACE TABLE core.customer AS SELECT {value} AS customer_id")
        publish.publish(con, company.home, now=NOW + timedelta(days=value), keep=7)


def published_value(company: Company) -> int:
    with duckdb.connect(str(company.home.warehouse), read_only=True) as con:
        return con.execute("SELECT customer_id FROM core.customer").fetchone()[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, locks and what was moved aside left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in files.items() if "locks/" not in name and "replaced-" not in name}
    return {name: path.read_bytes() for name, path in kept.items()}


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def restored(archive: Path, root: Path, *, replace: bool = False) -> Company:
    restore.restore(archive, root, backup_home(root), replace=replace, now=NOW)
    write(root / ".env", "CRM_FOLDER=exports\n")
    return load_company(root)


def backup_home(root: Path) -> backup.Home:
    return backup.Home(root / "lake")


# Making one


def test_a_backup_holds_what_no_night_could_make_again(company: Company) -> None:
    made = backup.make(company, now=NOW)
    assert made.path == company.root / "backups" / "muller-co-20261102T030000Z.tar"
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert names(made.path) == {
        "company/millpond.toml",
        "company/metrics.yaml",
        "company/mappings/crm/contact.sql",
        "lake/raw/crm.duckdb",
        "lake/raw/crm.load.json",
        "lake/raw/.pending/crm/plan.json",
        "lake/linkage.duckdb",
        "lake/decisions.duckdb",
        f"lake/decisions/{day}.duckdb",
        "lake/versions/20261103T030000Z.duckdb",
        "manifest.json",
        "manifest.sha256",
    }
    assert made.manifest == backup.verify(made.path)
    assert made.manifest.left_out == ["company/.env", "lake/secrets/crm.json"]
    assert (made.manifest.company, made.manifest.made_at, made.manifest.format) == ("Müller & Co", NOW, 1)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert (made.path.parent / ".gitignore").read_text() == "*\n"
    assert backup.last(company.home) == (NOW, made.path)


def test_secrets_are_in_it_only_when_asked_for(company: Company, tmp_path: Path) -> None:
    made = backup.make(company, tmp_path / "safe", with_secrets=True)
    assert {"company/.env", "lake/secrets/crm.json"} <= names(made.path)
    assert made.manifest.left_out == []
    restore.restore(made.path, tmp_path / "new", backup_home(tmp_path / "new"))
    assert (tmp_path / "new/.env").read_text() == "CRM_FOLDER=exports\n"
    assert (tmp_path / "new/lake/secrets/crm.json").read_text() == "token"
    assert (tmp_path / "new/lake/secrets").stat().st_mode & 0o777 == 0o700
    write(company.home.secrets / "crm.json", "rotated since")
    restored(made.path, company.root, replace=True)
    assert (company.home.secrets / "crm.json").read_text() == "rotated since"


def test_versions_are_the_one_that_is_read_and_the_newest(company: Company, tmp_path: Path) -> None:
    for value in (2, 3):
        publish_value(company, value)
    publish.rollback(company.home, "20261104T030000Z")
    made = backup.make(company, tmp_path / "safe")
    versions = {name for name in names(made.path) if "versions" in name}
    assert versions == {"lake/versions/20261104T030000Z.duckdb", "lake/versions/20261105T030000Z.duckdb"}
    new = restored(made.path, tmp_path / "new")
    assert published_value(new) == 2
    assert [v.is_current for v in publish.versions(new.home)] == [False, True]


def test_a_lake_that_was_copied_without_its_links_is_read_as_it_was(company: Company, tmp_path: Path) -> None:
    publish_value(company, 2)
    publish.rollback(company.home)
    data = company.home.warehouse.read_bytes()
    company.home.warehouse.unlink()
    company.home.warehouse.write_bytes(data)
    made = backup.make(company, tmp_path / "safe")
    assert {"lake/warehouse.duckdb", "lake/versions/20261104T030000Z.duckdb"} <= names(made.path)
    assert published_value(restored(made.path, tmp_path / "new")) == 1


def test_what_a_killed_load_left_in_its_log_is_in_the_file(company: Company, tmp_path: Path) -> None:
    raw = company.home.raw_file("crm")
    script = (
        f"import duckdb, os, signal; con = duckdb.connect({str(raw)!r}); "
        "con.execute('INSERT INTO raw.contacts VALUES (-1)'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert raw.with_name("crm.duckdb.wal").exists()
    made = backup.make(company, tmp_path / "safe")
    new = restored(made.path, tmp_path / "new")
    assert not list(new.home.raw.glob("*.wal"))
    with duckdb.connect(str(new.home.raw_file("crm")), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM raw.contacts").fetchone() == (1001,)


def test_a_company_without_a_lake_has_a_backup_too(tmp_path: Path) -> None:
    write(tmp_path / "acme/millpond.toml", TOML.replace("${CRM_FOLDER}", "exports"))
    made = backup.make(load_company(tmp_path / "acme"))
    assert names(made.path) == {"company/millpond.toml", "manifest.json", "manifest.sha256"}
    assert made.manifest.warehouse is None


def test_only_the_company_s_own_oldest_go_and_only_for_one_that_is_whole(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "safe"
    for day in range(3):
        backup.make(company, folder, now=NOW + timedelta(days=day))
    foreign = {"muller-co-20250101T000000Z.tar", "muller-co-2-20250101T000000Z.tar.partial", "notes.txt"}
    for name in foreign:
        write(folder / name, "no backup of this company")
    namesake = a_copy(company.root, tmp_path / "namesake").root
    write(namesake / "millpond.toml", TOML.replace("Müller & Co", "muller-co"))
    foreign.add(backup.make(load_company(namesake), folder, now=NOW - timedelta(days=9)).path.name)
    with monkeypatch.context() as patch:
        patch.setattr(backup, "verify", failing)
        with pytest.raises(BackupError, match="damaged"):
            backup.make(company, folder, now=NOW + timedelta(days=3), keep=1)
    assert len(backup.backups(folder, "Müller & Co")) == 3
    made = backup.make(company, folder, now=NOW + timedelta(days=3), keep=2)
    assert [path.name for path in made.removed] == ["muller-co-20261103T030000Z.tar", "muller-co-20261102T030000Z.tar"]
    kept = {"muller-co-20261104T030000Z.tar", "muller-co-20261105T030000Z.tar"}
    assert {path.name for path in folder.iterdir()} == foreign | kept
    with pytest.raises(BackupError, match="is there already"):
        backup.make(company, folder, now=NOW + timedelta(days=3), keep=1)
    earlier = backup.make(company, folder, now=NOW - timedelta(days=1), keep=1)
    assert backup.backups(folder, "Müller & Co") == [earlier.path]


def failing(*args: object) -> None:
    raise BackupError("damaged")


def test_a_folder_in_the_lake_is_refused(company: Company) -> None:
    with pytest.raises(BackupError, match="is in the lake"):
        backup.make(company, company.home.root / "backups")
    assert not (company.home.root / "backups").exists()


def test_a_full_disk_leaves_nothing_and_says_so(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / "safe"
    with file_size_limit(200_000), pytest.raises(BackupError, match=f"No backup was written to {folder}: .*large"):
        backup.make(company, folder)
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_is_not_filled(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backup.make(company)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(BackupError, match=r"has 1 MB free where .* MB are needed"):
        backup.make(company, tmp_path / "safe")
    with pytest.raises(BackupError, match=r"has 1 MB free where .* MB are needed"):
        restored(made.path, tmp_path / "new")
    assert contents(tmp_path / "new") == {}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["night", "decisions", "build", "raw_crm", "raw_former"])
def test_nothing_is_read_while_somebody_writes(company: Company, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    company.home.raw_file("crm").with_name("former.duckdb").write_bytes(company.home.raw_file("crm").read_bytes())
    monkeypatch.setenv("MILLPOND_LOCK_WAIT_SECONDS", "0")
    with locks.hold(company.home, name), pytest.raises(locks.Busy, match=f"{name} is in use by process {os.getpid()}"):
        backup.make(company)
    assert not list((company.root / "backups").glob("*.tar*"))


def test_a_program_that_writes_without_asking_is_noticed(company: Company) -> None:
    script = f"import duckdb; con = duckdb.connect({str(company.home.raw_file('crm'))!r}); print(flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    try:
        with pytest.raises(BackupError, match=r"Nothing is backed up, for .*crm\.duckdb cannot be read"):
            backup.make(company)
    finally:
        other.communicate(b"\n")
    assert not list((company.root / "backups").glob("*.tar*"))


def test_a_killed_backup_is_none_and_the_next_one_tidies_up(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / "safe"
    script = f"backup.make(load_company(Path({str(company.root)!r})), Path({str(folder)!r}))"
    assert run_killed("backup._manifest", script) == -signal.SIGKILL
    (partial,) = folder.iterdir()
    assert partial.name.endswith(".tar.partial")
    assert backup.backups(folder, "Müller & Co") == []
    assert backup.last(company.home) is None
    made = backup.make(company, folder)
    assert list(folder.iterdir()) == [made.path]


# Trusting one


@pytest.fixture
def archive(company: Company, tmp_path: Path) -> Path:
    return backup.make(company, tmp_path / "safe", now=NOW).path


def test_one_flipped_byte_is_found_wherever_it_is(archive: Path, tmp_path: Path) -> None:
    """In what fills up blocks it does no harm and goes unseen."""
    whole = bytearray(archive.read_bytes())
    manifest = backup.inspect(archive)
    with tarfile.open(archive) as tar:
        infos = tar.getmembers()
    used = [at for i in infos for at in (i.offset, i.offset + 148, i.offset_data, i.offset_data + i.size - 1)]
    used += range(infos[0].offset_data, infos[-1].offset_data, 40_009)
    used += range(infos[-2].offset_data, infos[-2].offset_data + infos[-2].size, 7)
    damaged = tmp_path / "damaged.tar"
    for at in used:
        flipped = bytearray(whole)
        flipped[at] ^= 1
        damaged.write_bytes(flipped)
        is_used = any(i.offset <= at < i.offset_data + i.size for i in infos)
        with pytest.raises(BackupError) if is_used else contextlib.nullcontext():
            assert backup.verify(damaged) == manifest
    flipped = bytearray(whole)
    flipped[infos[0].offset_data] ^= 1
    damaged.write_bytes(flipped)
    with pytest.raises(BackupError, match=r"company/millpond\.toml is not what was written\. Use another one"):
        restored(damaged, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_backup_is_refused_and_nothing_is_touched(
    archive: Path, company: Company, tmp_path: Path, share: float
) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    before = contents(company.root)
    with pytest.raises(BackupError, match="is no whole backup"):
        restored(archive, company.root, replace=True)
    assert contents(company.root) == before
    with pytest.raises(BackupError):
        restored(archive, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("newer", [{"format": 2, "more": 1}, {"layout": 99}])
def test_a_backup_of_a_newer_millpond_is_refused(archive: Path, tmp_path: Path, newer: dict[str, int]) -> None:
    rewrite(archive, lambda said: said | newer | {"millpond": "9.9"})
    with pytest.raises(BackupError, match=r"made by Millpond 9\.9 in a newer format; update this one"):
        restored(archive, tmp_path / "new")


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../outside", "company/../../outside", "lake/raw/../../../outside", "elsewhere/file"),
        *("company//etc/passwd", "lake/locks/night.lock", "company/exports/contacts.csv"),
    ],
)
def test_entries_that_lead_elsewhere_are_refused(archive: Path, tmp_path: Path, name: str) -> None:
    rewrite(archive, lambda said: said, {name: b"bad"})
    with pytest.raises(BackupError, match="is no file of a company or a lake"):
        restored(archive, tmp_path / "deep" / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"acme", "safe"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_the_like_are_refused(archive: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(archive, "a") as tar:
        info = tarfile.TarInfo("lake/raw/more")
        info.type, info.linkname = kind, "/tmp"
        tar.addfile(info)
    with pytest.raises(BackupError, match="is no file of a company or a lake"):
        restored(archive, tmp_path / "new")


def test_files_that_the_manifest_does_not_name_are_refused(archive: Path, tmp_path: Path) -> None:
    rewrite(archive, lambda said: said, {"company/mappings/crm/more.sql": b"SELECT 1"}, listed=False)
    with pytest.raises(BackupError, match="its files are not those that manifest"):
        restored(archive, tmp_path / "new")


def rewrite(
    archive: Path,
    change: Callable[[dict[str, object]], dict[str, object]],
    more: dict[str, bytes] | None = None,
    *,
    listed: bool = True,
) -> None:
    """The backup with another manifest and more files, rightly sealed."""
    with tarfile.open(archive) as tar:
        files = {name: tar.extractfile(name).read() for name in tar.getnames()}
    said = change(json.loads(files.pop("manifest.json")))
    del files["manifest.sha256"]
    for name, data in (more or {}).items():
        files[name] = data
        if listed:
            said["members"].append({"name": name, "size": len(data), "sha256": backup.hashlib.sha256(data).hexdigest()})
    text = json.dumps(said).encode()
    with tarfile.open(archive, "w") as tar:
        for name, data in {**files, "manifest.json": text, "manifest.sha256": backup._seal(text)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


# Putting one back


def test_an_empty_folder_becomes_what_was_backed_up(archive: Path, company: Company, tmp_path: Path) -> None:
    new = restored(archive, tmp_path / "new")
    left_out = {"lake/build.duckdb", "lake/secrets/crm.json", "lake/backup.json", "exports/contacts.csv"}
    before = {name: data for name, data in contents(company.root).items() if name not in left_out}
    after = contents(new.root)
    assert json.loads(after.pop("lake/backup.json")) == {"made_at": NOW.isoformat(), "file": str(archive)}
    assert after == before
    assert published_value(new) == 1
    assert [v.is_current for v in publish.versions(new.home)] == [True]
    assert decisions.read(new.home) == decisions.read(company.home)
    assert not list(new.root.glob("replaced-*"))


def test_a_living_lake_is_replaced_only_when_asked_for_and_goes_aside(archive: Path, company: Company) -> None:
    publish_value(company, 2)
    write(company.root / "mappings/crm/ticket.sql", "SELECT 1\n")
    before = contents(company.root)
    with pytest.raises(BackupError, match=r"Müller & Co would replace .*lake, .*mappings; give --replace"):
        restored(archive, company.root)
    assert contents(company.root) == before
    with duckdb.connect(str(company.home.warehouse), read_only=True) as reader:
        restored(archive, company.root, replace=True)
        assert reader.execute("SELECT customer_id FROM core.customer").fetchone() == (2,)
    assert published_value(company) == 1
    assert not (company.root / "mappings/crm/ticket.sql").exists()
    assert (company.home.secrets / "crm.json").read_text() == "token"
    assert not company.home.build.exists()
    after, aside = contents(company.root), "replaced-20261102T030000Z"
    moved = {
        **{f"lake/{name}": data for name, data in contents(company.home.root / aside).items()},
        **contents(company.root / aside),
    }
    moved = {name: data for name, data in moved.items() if not name.endswith(".gitignore")}
    assert {name: moved.get(name, after.get(name)) for name in before} == before
    assert {"lake/build.duckdb", "lake/warehouse.duckdb", "mappings/crm/ticket.sql"} <= moved.keys()
    assert "millpond.toml" not in moved


def test_a_changed_configuration_is_not_overwritten_unasked(archive: Path, tmp_path: Path) -> None:
    root = tmp_path / "new"
    write(root / "millpond.toml", "# mine\n")
    write(root / "metrics.yaml", "metrics: []\n")
    with pytest.raises(BackupError, match=r"would replace [^,]*new/millpond.toml; give"):
        restored(archive, root)
    restored(archive, root, replace=True)
    assert (root / "replaced-20261102T030000Z/millpond.toml").read_text() == "# mine\n"
    assert not (root / "replaced-20261102T030000Z/metrics.yaml").exists()
    assert (root / "replaced-20261102T030000Z/.gitignore").read_text() == "*\n"


def test_a_lake_elsewhere_is_restored_there(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_HOME", str(tmp_path / "disk" / "lake"))
    restore.restore(archive, tmp_path / "new", backup_home(tmp_path / "disk"))
    write(tmp_path / "new/.env", "CRM_FOLDER=exports\n")
    assert published_value(load_company(tmp_path / "new")) == 1
    assert not (tmp_path / "new/lake").exists()


def test_nobody_writes_while_it_is_put_back(archive: Path, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_LOCK_WAIT_SECONDS", "0")
    before = contents(company.root)
    with locks.hold(company.home, "raw_crm"), pytest.raises(locks.Busy, match="raw_crm is in use"):
        restored(archive, company.root, replace=True)
    assert contents(company.root) == before


def test_a_disk_that_fills_up_while_it_is_staged_changes_nothing(archive: Path, company: Company) -> None:
    before = contents(company.root)
    with file_size_limit(200_000), pytest.raises(BackupError, match=r"was not restored: .*large"):
        restored(archive, company.root, replace=True)
    assert contents(company.root) == before


class Stop(BaseException):
    """The end of the process, as far as the disk can tell."""


def test_a_restore_cut_off_anywhere_leaves_the_old_or_can_be_finished(
    archive: Path, made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = contents(restored(archive, tmp_path / "wanted").root)
    later = a_copy(made_once, tmp_path / "later")
    publish_value(later, 2)
    write(later.root / "millpond.toml", TOML + "# newer\n")
    before = contents(later.root)
    moments, cut_off = 0, 0
    while True:
        company = a_copy(later.root, tmp_path / f"cut-{moments}")
        with monkeypatch.context() as patch:
            stop_at(patch, moments)
            try:
                restored(archive, company.root, replace=True)
                break
            except Stop:
                pass
        moments += 1
        assert published_value(company) in (1, 2)
        if company.home.unfinished_restore.exists():
            cut_off += 1
            with pytest.raises(locks.RestoreCutOff, match="run `millpond restore` again"):
                decisions.decide(company.home, "a", "c", "same", by="ada", at=NOW)
            company.home.create()  # as the UI does when it starts
            assert restore.finish(company.home).manifest == backup.inspect(archive)
            assert restore.finish(company.home) is None
        after = {name: data for name, data in contents(company.root).items() if ".restore" not in name}
        assert after == before or {name: after.get(name) for name in wanted} == wanted
        if cut_off:
            assert after != before
            assert (company.root / "replaced-20261102T030000Z/millpond.toml").read_text() == TOML + "# newer\n"
    assert cut_off > 10


def stop_at(patch: pytest.MonkeyPatch, moment: int) -> None:
    """End the process before something is moved or removed for the n-th time; the system drops its locks."""
    left = [moment]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *args: object, **kwargs: object) -> object:
            if "locks" not in path.parts:
                if left[0] == 0:
                    raise Stop
                left[0] -= 1
            return real(path, *args, **kwargs)

        return call

    for name in ("rename", "replace", "unlink"):
        patch.setattr(Path, name, counted(getattr(Path, name)))
    patch.setattr(restore.os, "link", counted(os.link))
    patch.setattr(restore.shutil, "rmtree", counted(restore.shutil.rmtree))


@pytest.mark.parametrize("moment", ["restore._begin", "restore._do", "restore._clear"])
def test_a_killed_restore_leaves_the_old_or_can_be_finished(archive: Path, company: Company, moment: str) -> None:
    publish_value(company, 2)
    before = contents(company.root)
    script = (
        f"root = Path({str(company.root)!r}); "
        f"restore.restore(Path({str(archive)!r}), root, backup.Home(root / 'lake'), replace=True)"
    )
    calls = {"restore._begin": 1, "restore._do": 3, "restore._clear": 2}[moment]
    assert run_killed(moment, script, calls) == -signal.SIGKILL
    if moment == "restore._begin":
        left = {name: data for name, data in contents(company.root).items() if ".restore" not in name}
        assert left == before
    if moment == "restore._do":
        assert restore.finish(company.home) is not None
        assert published_value(company) == 1
    again = restored(archive, company.root, replace=True)
    assert published_value(again) == 1
    assert not company.home.restoring.exists()


def run_killed(function: str, script: str, calls: int = 1) -> int:
    """Run a script in a process that is killed when a function is called for the n-th time; gives its status."""
    module, name = function.split(".")
    prepared = f"""
import os, signal
from pathlib import Path
from warehouse import backup, restore
from warehouse.company import load_company
left = [{calls}]
real = {function}
def dying(*args, **kwargs):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
{module}.{name} = dying
{script}
"""
    return subprocess.run([sys.executable, "-c", prepared], cwd=ROOT, check=False, timeout=60).returncode
