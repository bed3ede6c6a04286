"""Putting a backup back: staged beside what is there, then moved into place, so that a kill leaves nothing half done.

Once everything is staged, a journal says what moves where. Until it is written nothing has changed; from then on the
restore can only be finished, by whoever restores next. What was there before is moved aside, never deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from warehouse import backup, locks, upgrade
from warehouse.backup import COMPANY, ENV, LAKE, BackupError, Manifest, Show
from warehouse.home import Home
from warehouse.store import sync

#: What of a data home is replaced beside its databases. Locks are held meanwhile, Dagster's storage says how runs went,
#: and tokens that systems have rotated since are lost if older ones take their place.
_REPLACED = frozenset({"raw", "versions", "decisions", "backup.json", "lake.json"})
_STAGING = ".restore"


@dataclass(frozen=True)
class Restored:
    """What a restore did: `aside` are folders that now hold what was there before."""

    manifest: Manifest
    aside: list[Path]


@dataclass(frozen=True)
class _Move:
    """What is fresh gets the place of what is old, which goes aside; one of the two may not be there."""

    place: Path
    fresh: Path | None
    aside: Path | None


def restore(
    archive: Path,
    root: Path,
    home: Home,
    *,
    replace: bool = False,
    now: datetime | None = None,
    show: Show = backup.quiet,
) -> Restored:
    """Make a company folder and its lake what they were when a backup was made.

    Args:
        archive: the backup.
        root: the company folder, which need not exist.
        home: its data home, likewise.
        replace: move aside a lake that is there, and configuration that differs.

    Raises:
        BackupError: the backup cannot be used, there is no room, or something is there that was not to be replaced.
        Busy: another process still wrote after the longest wait.
        RestoreCutOff: an earlier restore has to be finished first.
    """
    archive = archive.resolve()
    with backup.refusals_told(f"{archive} was not restored"):
        manifest = backup.inspect(archive)
        _require_leave(root, home, manifest, replace=replace)
        backup.verify(archive, show)
        for folder in (root, home.root):
            folder.mkdir(parents=True, exist_ok=True)
        show("Waiting until nobody writes", 0, 0)
        with locks.hold(home, "restore", wait_seconds=0), locks.hold_all(home, backup.sources_of(home)):
            _require_leave(root, home, manifest, replace=replace)
            with _cleared(root, home):
                _stage(archive, root, home, manifest, show)
                aside = f"replaced-{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
                _begin(root, home, manifest, [*_lake_moves(home, aside), *_company_moves(root, manifest, aside)])
            return _finish(home)


def finish(home: Home) -> Restored | None:
    """Finish a restore that was cut off after it had begun to move things; None if there is none.

    Raises:
        BackupError: something cannot be moved.
        Busy: it is not cut off, but under way in another process.
    """
    if not home.unfinished_restore.exists():
        return None
    with locks.hold_for_restore(home, "restore", wait_seconds=0):
        return _finish(home) if home.unfinished_restore.exists() else None


def _require_leave(root: Path, home: Home, manifest: Manifest, *, replace: bool) -> None:
    """Nothing is replaced unasked; empty folders are nothing."""
    lake = any(not path.is_dir() or any(path.iterdir()) for path in _old(home))
    there = [str(home.root)] if lake else []
    there += [str(root / part) for part, is_there in _differing(root, manifest).items() if is_there]
    if there and not replace:
        raise BackupError(
            f"The backup of {manifest.company} would replace {', '.join(there)}; "
            "give --replace if that is meant: what is there is moved aside."
        )


def _old(home: Home) -> list[Path]:
    """Files and folders of a data home that a restore replaces."""
    found = home.root.iterdir() if home.root.exists() else ()
    return sorted(path for path in found if path.name in _REPLACED or ".duckdb" in path.name)


def _differing(root: Path, manifest: Manifest) -> dict[str, bool]:
    """Parts of the company's configuration that are not as in the backup, and whether anything of them is there."""
    then = {member.name: member.sha256 for member in manifest.members if member.name.startswith(COMPANY)}
    now = {name: _sha256(path) for name, path in backup.config_files(root).items()}
    if ENV not in then:
        now.pop(ENV, None)
    changed = {_part(name) for name, _ in then.items() ^ now.items()}
    there = {_part(name) for name in now}
    return {part: part in there for part in sorted(changed)}


def _part(name: str) -> str:
    """The file or folder in the company folder that a member is or lies in."""
    return name.removeprefix(COMPANY).split("/")[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _cleared(root: Path, home: Home) -> Iterator[None]:
    """Staging folders that are empty to begin with, and gone where staging fails."""
    _clear(root, home)
    try:
        yield
    except BaseException:
        _clear(root, home)
        raise


def _clear(root: Path, home: Home) -> None:
    """Remove what was staged; never while a journal says that it is needed."""
    home.unfinished_restore.unlink(missing_ok=True)
    for folder in (root / _STAGING, home.restoring):
        shutil.rmtree(folder, ignore_errors=True)


def _staged_lake(home: Home) -> Path:
    return home.restoring / "lake"


def _staged_company(root: Path) -> Path:
    return root / _STAGING / "company"


def _stage(archive: Path, root: Path, home: Home, manifest: Manifest, show: Show) -> None:
    """Lay everything ready on the disks that it will stay on."""
    backup.require_space(home.root, manifest.size)
    differing = _differing(root, manifest)
    lake = Home(_staged_lake(home))

    def place(name: str) -> Path | None:
        if name.startswith(LAKE):
            return lake.root / name.removeprefix(LAKE)
        return _staged_company(root) / name.removeprefix(COMPANY) if _part(name) in differing else None

    lake.root.mkdir(parents=True)
    backup.extract(archive, place, show)
    if manifest.warehouse and not lake.warehouse.exists():
        os.link(lake.root / manifest.warehouse.removeprefix(LAKE), lake.warehouse)
    if lake.secrets.exists():
        lake.secrets.chmod(0o700)
    upgrade.mark(lake, manifest.layout)
    backup.write_note(lake.backup_note, archive, manifest.made_at)
    for folder in (lake.root, _staged_company(root)):
        for here, _, _ in os.walk(folder):
            sync(Path(here))


def _lake_moves(home: Home, aside: str) -> list[_Move]:
    """One move for each file and folder of the old lake and the new one."""
    old = {path.name for path in _old(home)}
    fresh = {path.name for path in _staged_lake(home).iterdir()}
    if home.secrets.exists():
        fresh.discard(home.secrets.name)
    return [
        _Move(
            place=home.root / name,
            fresh=_staged_lake(home) / name if name in fresh else None,
            aside=home.root / aside / name if name in old else None,
        )
        for name in sorted(old | fresh)
    ]


def _company_moves(root: Path, manifest: Manifest, aside: str) -> list[_Move]:
    """One move for each part of the configuration that differs."""
    staged = _staged_company(root)
    return [
        _Move(
            place=root / part,
            fresh=staged / part if (staged / part).exists() else None,
            aside=root / aside / part if (root / part).exists() else None,
        )
        for part in _differing(root, manifest)
    ]


def _begin(root: Path, home: Home, manifest: Manifest, moves: list[_Move]) -> None:
    """Write the journal: from now on the restore can only be finished."""
    for folder in _asides(moves):
        folder.mkdir()
        # What was in .env must not get into version control.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    said = {"root": str(root), "manifest": manifest.to_json(), "moves": [asdict(move) for move in moves]}
    partial = home.unfinished_restore.with_suffix(".partial")
    partial.write_text(json.dumps(said, default=str), encoding="utf-8")
    sync(partial)
    partial.replace(home.unfinished_restore)
    sync(home.restoring)


def _finish(home: Home) -> Restored:
    """Do what is still to do of the journal."""
    said = json.loads(home.unfinished_restore.read_text(encoding="utf-8"))
    moves = [_Move(**{name: path and Path(path) for name, path in move.items()}) for move in said["moves"]]
    with backup.refusals_told("The restore is not finished; mend this and run it again"):
        for move in moves:
            _do(move, is_read=move.place == home.warehouse)
        for folder in {move.place.parent for move in moves} | set(_asides(moves)):
            sync(folder)
        home.unfinished_restore.unlink()
        sync(home.restoring)
        _clear(Path(said["root"]), home)
    return Restored(Manifest.from_json(said["manifest"]), _asides(moves))


def _do(move: _Move, *, is_read: bool) -> None:
    """Make a move, or the rest of one that was cut off; a file that may be read is there at every moment."""
    is_done = not move.fresh.exists() if move.fresh else not move.place.exists()
    if is_done:
        return
    if move.aside and not move.aside.exists():
        if is_read and move.fresh:
            os.link(move.place, move.aside)
        else:
            move.place.rename(move.aside)
    if move.fresh:
        move.fresh.replace(move.place)


def _asides(moves: list[_Move]) -> list[Path]:
    return sorted({move.aside.parent for move in moves if move.aside})
