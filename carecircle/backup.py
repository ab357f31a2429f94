"""A copy of everything that one machine keeps, made while it runs, and its way back.

The order makes the copy whole: first how far each consumer of a journal has come, then what the processor knows, then
the journals, last the database. So every position points into the copy, and what stands between a position and the
database is read again, where it is known by its key: nothing is taken, and nobody told, twice.
Secrets are named, not copied: who finds a backup must not find the keys to it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from carecircle import __version__
from carecircle.backup_databases import dump_database, dump_sqlite, is_empty, load_database
from carecircle.settings import Settings

MANIFEST = "manifest.json"
FORMAT = 1
_TREES = ("journal", "quarantine", "state")
_STORE = "store.db"
_TRIES = 5
#: A journal's reserve is empty room, its lock is a process's, its doorbells are sockets; link.key is a secret.
_LEFT_OUT = frozenset({"reserve", "lock", "link.key"})
_OFFSETS = "*.offset"


class BackupError(Exception):
    """Root of what goes wrong with backup and restore; the text says what to do."""


class Kept(msgspec.Struct, frozen=True):
    """One file of a backup, by its path in it."""

    path: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. ``database`` is the file with registry and incidents, "" where it was left out; ``secrets``
    are the files that it needs to be of use and does not hold."""

    format: int
    version: str
    made_ms: int
    database: str
    dialect: str
    files: list[Kept]
    secrets: list[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup. ``settled`` is False where the processor's state changed at every try: it is then learnt anew
    in part."""

    folder: Path
    manifest: Manifest
    settled: bool


def make_backup(settings: Settings, out: Path, now_ms: int, name: str, *, with_database: bool = True) -> Made:
    """Copy into a new folder ``name`` below ``out``; it has that name only once it is whole.

    Raises:
        BackupError: there is nothing to copy, the name is taken, a database could not be read.
        OSError: ``out`` cannot be written.
    """
    if not settings.data_dir.is_dir():
        raise BackupError(f"there is no data folder {settings.data_dir.absolute()}: is CARECIRCLE_DATA_DIR right?")
    final, folder = out / name, out / f"{name}.unfinished"
    if final.exists():
        raise BackupError(f"{final} is there already")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    _copy(settings.data_dir, folder, sorted(settings.journal_dir.glob(f"*/{_OFFSETS}")))
    settled = _copy_state(settings, folder)
    for tree in ("journal", "quarantine"):
        there = [path for path in _files(settings.data_dir / tree) if not path.match(_OFFSETS)]
        _copy(settings.data_dir, folder, there)
    if settings.store.url == "sqlite" and (settings.data_dir / _STORE).exists():
        dump_sqlite(settings.data_dir / _STORE, folder / _STORE)
    database, dialect = "", ""
    if with_database:
        database, dialect = dump_database(settings.resolved_database_url(), folder)
    files = [_kept(folder, path) for path in _files(folder)]
    manifest = Manifest(FORMAT, __version__, now_ms, database, dialect, files, secrets_of(settings))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    _close(folder)
    folder.rename(final)
    return Made(final, manifest, settled)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup, every file of which is as it was written.

    Raises:
        BackupError: it is none, is unfinished, of a newer version, or has changed.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{folder} is no finished backup: there is no {MANIFEST} in it") from None
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read: {error}") from None
    if manifest.format > FORMAT:
        raise BackupError(f"{folder} was made by CareCircle {manifest.version}: restore it with that version or newer")
    for kept in manifest.files:
        path = folder / kept.path
        if not path.is_file() or _digest(path) != kept.sha256:
            raise BackupError(f"{path} is missing or has changed since the backup was made: take another backup")
    return manifest


def restore(settings: Settings, folder: Path) -> Manifest:
    """Put a backup back: into an empty data folder and an empty database.

    Raises:
        BackupError: the backup is damaged, or something is there already.
    """
    manifest = read_manifest(folder)
    present = [name for name in (*_TREES, _STORE) if _has_something(settings.data_dir / name)]
    if present:
        raise BackupError(
            f"{settings.data_dir.absolute()} already has {', '.join(present)}: end all processes and move them away,"
            " a backup goes into an empty place"
        )
    url = settings.resolved_database_url()
    if manifest.database:
        dialect = "postgresql" if url.startswith("postgresql") else "sqlite"
        if dialect != manifest.dialect:
            raise BackupError(f"the backup is of {manifest.dialect}, database_url names {dialect}")
        if not is_empty(url):
            raise BackupError("the database is not empty: a backup goes into a new one; see docs/compose.md")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    ours = [folder / kept.path for kept in manifest.files if kept.path != manifest.database]
    _copy(folder, settings.data_dir, ours)
    if manifest.database:
        load_database(url, folder / manifest.database)
    return manifest


def secrets_of(settings: Settings) -> list[str]:
    """The secret files that the settings name, and the key that is drawn where they name none."""
    dumped = settings.model_dump()
    found: list[str] = []

    def walk(group: dict[str, object]) -> None:
        for name, value in group.items():
            if isinstance(value, dict):
                walk(value)
            elif isinstance(value, Path) and name.endswith("_file") and name not in ("ca_file", "cert_file"):
                found.append(str(value.absolute()))

    walk(dumped)
    if settings.alerts.link_key is None and settings.alerts.link_key_file is None:
        found.append(str((settings.state_dir / "link.key").absolute()))
    return sorted(found)


def _copy_state(settings: Settings, folder: Path) -> bool:
    """Copy the processor's state until it stood still meanwhile: its checkpoint names other files of it."""
    for _ in range(_TRIES):
        before = _stamps(settings.state_dir)
        shutil.rmtree(folder / "state", ignore_errors=True)
        _copy(settings.data_dir, folder, _files(settings.state_dir))
        if _stamps(settings.state_dir) == before:
            return True
    return False


def _stamps(state: Path) -> list[tuple[str, int]]:
    """What tells that a checkpoint was written: names, and when checkpoints and snapshots were."""
    return [
        (path.name, path.stat().st_mtime_ns if path.suffix in (".checkpoint", ".snapshot") else 0)
        for path in _files(state)
    ]


def _files(folder: Path) -> list[Path]:
    """The files below a folder that belong into a backup, sorted."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _LEFT_OUT)


def _copy(source: Path, target: Path, files: Sequence[Path]) -> None:
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, copy)
        except FileNotFoundError:  # a segment that everybody has passed is dropped at any moment
            continue
        copy.chmod(0o600)


def _has_something(path: Path) -> bool:
    return path.is_file() or any(True for _ in _walk(path))


def _walk(path: Path) -> Iterator[Path]:
    return (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else iter(())


def _kept(folder: Path, path: Path) -> Kept:
    return Kept(path.relative_to(folder).as_posix(), path.stat().st_size, _digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _close(folder: Path) -> None:
    """Everything is its owner's only, and on the disk, before the folder has its name."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
