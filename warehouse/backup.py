"""Backups: one tar file of what no night could make again, and how it is known to be whole.

What is left out can be made again (the build database), is kept elsewhere (exports), or only says how runs went
(Dagster's storage). Putting a backup back is restore.py's business.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import sys
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

import duckdb

from warehouse import decisions, locks, publish, upgrade
from warehouse.company import CONFIG_NAME, Company
from warehouse.home import Home
from warehouse.store import StoreError, connect, sync

#: Raise when an older Millpond could not restore what is written.
FORMAT = 1
#: The last two members: what the others are, and the checksum of that.
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
#: Names in a backup begin with one of these.
COMPANY, LAKE = "company/", "lake/"
#: The file of secrets, as it is named in a backup.
ENV = f"{COMPANY}.env"

_BLOCK = 1 << 20
_STAMP, _ANY_STAMP = "%Y%m%dT%H%M%SZ", f"{'[0-9]' * 8}T{'[0-9]' * 6}Z"
_ENTRY = re.compile(
    r"company/(millpond\.toml|metrics\.yaml|\.env|mappings/.+)|lake/((raw|versions|decisions|secrets)/.+|\w+\.duckdb)"
)

#: Told (what, bytes done, bytes in all) as the work goes on; 0 bytes in all where nobody knows how long it takes.
Show = Callable[[str, int, int], None]


class BackupError(StoreError):
    """A backup that cannot be made or used; the message says what to do."""


@dataclass(frozen=True)
class Member:
    """One file in a backup; the size is in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: see FORMAT.
        layout: of the lake, see upgrade.py.
        millpond: the version that made it.
        made_at: when it was made; nobody wrote meanwhile.
        company: the name of the business.
        warehouse: the member that analysts read, None if nothing was published.
        left_out: secrets that are not in it, named as its members are.
    """

    format: int
    layout: int
    millpond: str
    made_at: datetime
    company: str
    warehouse: str | None
    left_out: list[str]
    members: list[Member]

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def to_json(self) -> str:
        """As it stands in a backup."""
        return json.dumps(asdict(self), indent=1, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """What `to_json` gave; raises KeyError or TypeError where it is something else."""
        said = json.loads(text)
        members = [Member(**member) for member in said["members"]]
        return cls(**{**said, "made_at": datetime.fromisoformat(said["made_at"]), "members": members})


@dataclass(frozen=True)
class Made:
    """A backup that was just made, and the older ones that it took the place of."""

    path: Path
    manifest: Manifest
    removed: list[Path]


def quiet(what: str, done: int, total: int) -> None:
    """Shows nothing."""


def make(
    company: Company,
    folder: Path | None = None,
    *,
    keep: int | None = None,
    with_secrets: bool = False,
    now: datetime | None = None,
    show: Show = quiet,
) -> Made:
    """Write a backup while nobody loads, refreshes or decides, read it back, and only then give it its name.

    Args:
        folder: where to; default: `backups` in the company folder, which git ignores then.
        keep: how many backups of this company stay in the folder, this one included; default: all.
        with_secrets: also `.env`, and the tokens that source systems rotate.

    Raises:
        BackupError: the folder is in the lake or cannot take the backup, or a file of the lake cannot be read.
        Busy: another process still wrote after the longest wait.
    """
    chosen, folder = folder, (folder or company.root / "backups").resolve()
    if folder.is_relative_to(company.home.root):
        raise BackupError(f"{folder} is in the lake and would be lost together with it; choose another folder.")
    slug = _slug(company.config.name)
    with locks.hold(company.home, "backup", wait_seconds=0), refusals_told(f"No backup was written to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        if chosen is None:
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        for leftover in folder.glob(f"{slug}-{_ANY_STAMP}.tar.partial"):
            leftover.unlink()
        show("Waiting until nobody writes", 0, 0)
        with locks.hold_all(company.home, {*company.config.sources, *sources_of(company.home)}):
            made_at = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
            path = folder / f"{slug}-{made_at:{_STAMP}}.tar"
            if path.exists():
                raise BackupError(f"{path} is there already; nothing is written over it.")
            partial = path.with_name(f"{path.name}.partial")
            with _removed_on_failure(partial):
                _write(company, partial, made_at, with_secrets=with_secrets, show=show)
        with _removed_on_failure(partial):
            manifest = verify(partial, show)
        partial.replace(path)
        # Network folders may not know how.
        with contextlib.suppress(OSError):
            sync(folder)
        write_note(company.home.backup_note, path, made_at)
        others = [one for one in backups(folder, company.config.name) if one != path]
        removed = others[keep - 1 :] if keep else []
        for old in removed:
            old.unlink()
    return Made(path, manifest, removed)


def backups(folder: Path, company: str) -> list[Path]:
    """A company's backups in a folder, newest first; what is no whole backup of its is not among them."""
    found = []
    for path in folder.glob(f"{_slug(company)}-{_ANY_STAMP}.tar"):
        with contextlib.suppress(BackupError):
            manifest = inspect(path)
            if manifest.company == company:
                found.append((manifest.made_at, path))
    return [path for _, path in sorted(found, reverse=True)]


def last(home: Home) -> tuple[datetime, Path] | None:
    """When the last backup was made, and where it was put; None if there was none."""
    if not home.backup_note.exists():
        return None
    said = json.loads(home.backup_note.read_text(encoding="utf-8"))
    return datetime.fromisoformat(said["made_at"]), Path(said["file"])


def write_note(note: Path, path: Path, made_at: datetime) -> None:
    """Leave word of a backup for `last`."""
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps({"made_at": made_at.isoformat(), "file": str(path)}), encoding="utf-8")
    partial.replace(note)


def inspect(path: Path) -> Manifest:
    """What a backup says that it holds. Its names and sizes are checked; its files are not read.

    Raises:
        BackupError: it is no backup, damaged, or of a newer format.
    """
    with _opened(path) as tar:
        return _manifest(path, tar)


def verify(path: Path, show: Show = quiet) -> Manifest:
    """Read all of a backup, and give what it holds.

    Raises:
        BackupError: it is no backup, damaged, or of a newer format.
    """
    with _opened(path) as tar:
        manifest = _manifest(path, tar)
        meter = _Meter("Verifying", manifest.size, show)
        for member in manifest.members:
            _copy(path, tar, member, meter)
    return manifest


def extract(path: Path, place: Callable[[str], Path | None], show: Show = quiet) -> None:
    """Write the members that have a place, each synced to the disk and verified again.

    Raises:
        BackupError: it is no backup, damaged, or of a newer format; some files may be written by then.
    """
    with _opened(path) as tar:
        manifest = _manifest(path, tar)
        meter = _Meter("Restoring", manifest.size, show)
        for member in manifest.members:
            if target := place(member.name):
                target.parent.mkdir(parents=True, exist_ok=True)
                with _created(target, tar.getmember(member.name).mode) as out:
                    _copy(path, tar, member, meter, out)


def config_files(root: Path) -> dict[str, Path]:
    """The files by which a company configures itself, secrets included, by their names in a backup."""
    files = [*(root / name for name in (CONFIG_NAME, "metrics.yaml", ".env")), *_below(root / "mappings")]
    return {f"{COMPANY}{path.relative_to(root).as_posix()}": path for path in files if path.is_file()}


def sources_of(home: Home) -> set[str]:
    """Sources that were loaded into a data home, also some that millpond.toml names no more."""
    loaded = {path.stem for path in home.raw.glob("*.duckdb")}
    return loaded | {path.stem.removeprefix("raw_") for path in home.locks.glob("raw_*.lock")}


def require_space(folder: Path, size: int) -> None:
    """Stop before a disk is filled up that other things need too.

    Raises:
        BackupError: fewer bytes are free where the folder is.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BackupError(
            f"{folder} has {free / 1e6:,.0f} MB free where {size / 1e6:,.0f} MB are needed; "
            "make room or choose another disk."
        )


def _slug(name: str) -> str:
    """A company's name as it may stand in the name of a file."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "company"


def _write(company: Company, partial: Path, made_at: datetime, *, with_secrets: bool, show: Show) -> None:
    files = _files(company)
    left_out = [] if with_secrets else sorted(name for name in files if _is_secret(name))
    chosen = {name: path for name, path in files.items() if name not in left_out}
    total = sum(path.stat().st_size for path in chosen.values())
    require_space(partial.parent, total)
    meter = _Meter("Copying", total, show)
    with _created(partial, 0o600) as out, tarfile.open(fileobj=out, mode="w") as tar:
        members = [_add(tar, name, path, meter) for name, path in chosen.items()]
        published = _published(company.home)
        manifest = Manifest(
            format=FORMAT,
            layout=upgrade.layout_of(company.home),
            millpond=importlib.metadata.version("millpond"),
            made_at=made_at,
            company=company.config.name,
            warehouse=_name(company.home, published[0]) if published else None,
            left_out=left_out,
            members=members,
        )
        text = manifest.to_json().encode()
        _add_text(tar, MANIFEST, text)
        _add_text(tar, SEAL, _seal(text))


def _files(company: Company) -> dict[str, Path]:
    """Everything that belongs in a backup, secrets included, by its name there."""
    home = company.home
    lake = [
        *sorted(home.raw.glob("*.duckdb")),
        *sorted(home.raw.glob("*.load.json")),
        *_below(home.raw / ".pending"),
        *(path for path in (home.decisions, home.linkage) if path.exists()),
        *decisions.copies(home),
        *_published(home),
        *_below(home.secrets),
    ]
    return config_files(company.root) | {_name(home, path): path for path in lake}


def _published(home: Home) -> list[Path]:
    """What analysts read, and the newest version where they went back to an older one: nights go on from the newest."""
    current = next((v.path for v in publish.versions(home) if v.is_current), home.warehouse)
    found = (current, publish.newest(home))
    return list(dict.fromkeys(path for path in found if path and path.exists()))


def _name(home: Home, path: Path) -> str:
    return f"{LAKE}{path.relative_to(home.root).as_posix()}"


def _is_secret(name: str) -> bool:
    return name == ENV or name.startswith(f"{LAKE}secrets/")


def _below(folder: Path) -> list[Path]:
    """All files in a folder, also behind links."""
    walk = os.walk(folder, followlinks=True)
    return sorted(Path(here) / name for here, _, names in walk for name in names)


def _add(tar: tarfile.TarFile, name: str, path: Path, meter: _Meter) -> Member:
    with _unwritten(path), path.open("rb") as file:
        status = os.fstat(file.fileno())
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), status.st_mode & 0o777
        reader = _Reader(file, meter)
        tar.addfile(info, reader)
    return Member(name, info.size, reader.hash.hexdigest())


def _add_text(tar: tarfile.TarFile, name: str, text: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))


@contextmanager
def _unwritten(path: Path) -> Iterator[None]:
    """Keep programs that do not know of our locks from writing a database, too.

    What a killed process left in a log beside it is brought into the file first.

    Raises:
        BackupError: a program is writing it, or it is damaged.
    """
    if path.suffix != ".duckdb":
        yield
        return
    try:
        if list(path.parent.glob(f"{path.name}.wal*")):
            with connect(path) as con:
                con.execute("CHECKPOINT")
        held = connect(path, read_only=True)
    except (duckdb.Error, StoreError) as error:
        told = str(error).splitlines()[0]
        raise BackupError(f"Nothing is backed up, for {path} cannot be read: {told}") from error
    with held:
        yield


@contextmanager
def _created(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """A new file that is on the disk, and read from there, after the block."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def refusals_told(what: str) -> Iterator[None]:
    """Turn what the operating system refuses, such as a full disk, into a sentence that begins with `what`.

    Raises:
        BackupError: with that sentence.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise BackupError(f"{what}: {error.strerror or error}{where}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    if not path.is_file():
        raise BackupError(f"There is no backup {path}.")
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    """What a backup says that it holds, once that is whole and names nothing outside of the two folders."""
    there = {info.name: info for info in tar.getmembers()}
    if not {MANIFEST, SEAL} <= there.keys():
        raise _damaged(path, f"it does not end with {MANIFEST} and {SEAL}")
    text = _content(tar, MANIFEST).read()
    try:
        said = json.loads(text)
        if said["format"] > FORMAT or said["layout"] > upgrade.FORMAT:
            raise BackupError(f"{path} was made by Millpond {said['millpond']} in a newer format; update this one.")
        manifest = Manifest.from_json(text)
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"{MANIFEST} is not understood") from error
    if _content(tar, SEAL).read() != _seal(text):
        raise _damaged(path, f"{MANIFEST} is not what was written")
    for info in tar.getmembers():
        _require_harmless(path, info)
    sizes = {member.name: member.size for member in manifest.members}
    there_sizes = {name: info.size for name, info in there.items() if name not in (MANIFEST, SEAL)}
    if sizes != there_sizes or manifest.warehouse not in (None, *sizes):
        raise _damaged(path, f"its files are not those that {MANIFEST} names")
    return manifest


def _require_harmless(path: Path, info: tarfile.TarInfo) -> None:
    """Only plain files below the two folders: an entry must not lead anywhere else."""
    is_ours = info.name in (MANIFEST, SEAL) or _ENTRY.fullmatch(info.name)
    if not is_ours or ".." in PurePosixPath(info.name).parts or not info.isreg() or info.issparse():
        raise BackupError(f"{path} is not restored: its entry {info.name!r} is no file of a company or a lake.")


def _copy(path: Path, tar: tarfile.TarFile, member: Member, meter: _Meter, out: IO[bytes] | None = None) -> None:
    """Read a member, write it if there is somewhere to, and hold it against its checksum."""
    reader = _Reader(_content(tar, member.name), meter)
    while block := reader.read(_BLOCK):
        if out is not None:
            out.write(block)
    if reader.hash.hexdigest() != member.sha256:
        raise _damaged(path, f"{member.name} is not what was written")


def _content(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise tarfile.ReadError(f"{name} is no file")
    return file


def _seal(manifest: bytes) -> bytes:
    """As `sha256sum` writes it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _damaged(path: Path, why: str) -> BackupError:
    return BackupError(f"{path} is no whole backup: {why}. Use another one.")


class _Meter:
    """Shows how many bytes of all are done."""

    def __init__(self, what: str, total: int, show: Show) -> None:
        self._what, self._total, self._show, self._done = what, total, show, 0

    def add(self, size: int) -> None:
        before, self._done = self._done, self._done + size
        # Blocks may be small; a display need not follow each.
        if before // _BLOCK != self._done // _BLOCK or self._done == self._total:
            self._show(self._what, self._done, self._total)


class _Reader:
    """A file that is hashed and counted while it is read."""

    def __init__(self, file: IO[bytes], meter: _Meter) -> None:
        self._file, self._meter = file, meter
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.hash.update(block)
        self._meter.add(len(block))
        return block
