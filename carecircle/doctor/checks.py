"""The checks, one function each. None changes anything, and none disturbs a running system."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from carecircle.doctor.broker import check_broker
from carecircle.doctor.devices import check_devices
from carecircle.doctor.probe import check_probe
from carecircle.doctor.rosters import check_rosters
from carecircle.doctor.secrets import check_sealed
from carecircle.doctor.sensors import check_sensors
from carecircle.settings import FILE_VARIABLE, Settings

_LOW_DISK_BYTES = 1 << 30
_SLOW_SYNC_S = 0.05
_STATS_AGE_S = 45.0
_LAG_BYTES = 64 << 20


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``advice`` says what to do where it is not OK."""

    level: Level
    what: str
    found: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check; a check that fails by itself is a finding too."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("settings", _settings),
        ("data folder", _data_folder),
        ("database", _database),
        ("secrets", _secrets),
        ("on call", _rosters),
        ("store", _store),
        ("broker", _broker),
        ("processes", _processes),
        ("journals", _journals),
        ("fall detector", _weights),
        ("motion sensors", _sensors),
        ("devices", _devices),
        ("detectors", _detectors),
        ("console", _console),
        ("probe", _probe),
    )
    for name, check in checks:
        try:
            yield from check(settings)
        except Exception as error:  # a doctor that dies of the disease helps nobody
            yield Finding(
                Level.PROBLEM, name, f"{type(error).__name__}: {error}", "This check itself failed; see above."
            )


def _settings(settings: Settings) -> Iterator[Finding]:
    known = {name.upper() for name in Settings.model_fields}
    strange = [
        name
        for name in os.environ
        if name.startswith("CARECIRCLE_")
        and name not in (FILE_VARIABLE, "CARECIRCLE_DATA")
        and name.removeprefix("CARECIRCLE_").split("__")[0] not in known
    ]
    if strange:
        yield Finding(
            Level.WARNING,
            "settings",
            f"the environment has {', '.join(sorted(strange))}, which no setting reads",
            f"Groups are {', '.join(sorted(known))}; nested names take two underscores, as in CARECIRCLE_BROKER__URL.",
        )
    else:
        yield Finding(Level.OK, "settings", os.environ.get(FILE_VARIABLE, "defaults and environment"))
    host = urlsplit(settings.resolved_public_url()).hostname
    if host in ("127.0.0.1", "localhost"):
        yield Finding(
            Level.WARNING,
            "public address",
            settings.resolved_public_url(),
            "Links in notifications open on this machine only: set CARECIRCLE_ALERTS__PUBLIC_URL to the address of"
            " your reverse proxy.",
        )


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".doctor-") as file:
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took_s = time.perf_counter() - started
    except OSError as error:
        yield Finding(
            Level.PROBLEM,
            "data folder",
            f"{existing}: {error.strerror}",
            "Give the user that runs carecircle write access, or set CARECIRCLE_DATA_DIR.",
        )
        return
    free = shutil.disk_usage(existing).free
    said = f"{folder}{'' if folder == existing else ' (made at the first run)'}, {free / 2**30:.1f} GiB free,"
    said += f" a durable write takes {took_s * 1000:.1f} ms"
    if free < _LOW_DISK_BYTES:
        yield Finding(Level.WARNING, "data folder", said, "Below 1 GiB the journals fill up soon: make room.")
    elif took_s > _SLOW_SYNC_S:
        yield Finding(Level.WARNING, "data folder", said, "Every commit waits this long: use a faster disk.")
    else:
        yield Finding(Level.OK, "data folder", said)


def _is_missing_file(url: str) -> bool:
    """Whether it is an embedded database that nobody has made yet: looking at it would make it."""
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


def _database(settings: Settings) -> Iterator[Finding]:
    import registry

    url = settings.resolved_database_url()
    if _is_missing_file(url):
        yield Finding(
            Level.WARNING,
            "database",
            f"{url}: not there yet",
            "It is made at the first `carecircle registry import` or `carecircle run`.",
        )
        return
    engine = registry.create_engine(url)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        directory = registry.directory(engine, secrets=False)
    except Exception as error:
        text = str(error).splitlines()[0]
        missing = "no such table" in text or "does not exist" in text
        yield Finding(
            Level.WARNING if missing else Level.PROBLEM,
            "database",
            f"{shown}: {'no tables yet' if missing else text}",
            "They are made at the first `carecircle run` or `carecircle registry import`."
            if missing
            else "Check CARECIRCLE_DATABASE_URL and that the server runs.",
        )
        return
    finally:
        engine.dispose()
    yield Finding(Level.OK, "database", shown)
    counts = f"{len(directory.people)} people, {len(directory.devices)} devices, {len(directory.responders)} responders"
    if not directory.devices:
        yield Finding(
            Level.WARNING, "registry", counts,
            "Messages of unknown devices go to the quarantine: `carecircle registry import FOLDER`.",
        )  # fmt: skip
    elif not directory.desk(time.time_ns() // 1_000_000):
        yield Finding(
            Level.PROBLEM, "registry", f"{counts}; nobody is on call at the district desk",
            "An SOS that no area answers for has nobody to go to: give the root area an on-call order.",
        )  # fmt: skip
    else:
        yield Finding(Level.OK, "registry", counts)


def _store(settings: Settings) -> Iterator[Finding]:
    from store import StoreError, StoreUnavailable, open_store

    url = settings.resolved_store_url()
    if _is_missing_file(url):
        yield Finding(Level.OK, "store", f"{url} (made at the first run)")
        return
    try:
        store = open_store(url, token=settings.store_token(), org=settings.store.org, timeout_s=5)
        try:
            store.check()
        finally:
            store.close()
    except StoreUnavailable as error:
        yield Finding(
            Level.PROBLEM, "store", f"{url}: {error}",
            "Start it, or check CARECIRCLE_STORE__URL. Points wait in the journal until it answers.",
        )  # fmt: skip
    except StoreError as error:
        yield Finding(Level.PROBLEM, "store", f"{url}: {error}", "Check CARECIRCLE_STORE__URL, __TOKEN and __ORG.")
    else:
        yield Finding(Level.OK, "store", url)


def _broker(settings: Settings) -> Iterator[Finding]:
    running = _stats_age_s(settings.state_dir / "gateway.json")
    for ok, what, found, advice in check_broker(settings, gateway_runs=running is not None and running < _STATS_AGE_S):
        yield Finding(Level.OK if ok else Level.PROBLEM, what, found, advice)


def _stats_age_s(path: Path) -> float | None:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return None


def _processes(settings: Settings) -> Iterator[Finding]:
    for role in ("gateway", "processor"):
        path = settings.state_dir / f"{role}.json"
        age_s = _stats_age_s(path)
        if age_s is None or age_s > _STATS_AGE_S:
            when = "has not run here" if age_s is None else f"was last seen {age_s / 60:.0f} min ago"
            yield Finding(Level.WARNING, role, when, f"Start it: `carecircle run` or `carecircle run --role {role}`.")
            continue
        stats = json.loads(path.read_text())
        if stats.get("held"):
            yield Finding(
                Level.PROBLEM, role, "holds: the disk is full and the broker keeps what comes",
                f"Make room on the disk of {settings.data_dir.absolute()}; it goes on by itself.",
            )  # fmt: skip
        else:
            yield Finding(Level.OK, role, f"running, {stats.get('received', stats.get('messages', 0)):,.0f} messages")


def _journals(settings: Settings) -> Iterator[Finding]:
    from journal import JournalReader

    consumers = {
        "raw": "processor",
        "points": "writer",
        "reports": "writer",
        "detections": "alerts",
        "commands": "gateway",
    }
    for name, consumer in consumers.items():
        folder = settings.journal_dir / name
        if not folder.is_dir():
            continue
        reader = JournalReader(folder, consumer)
        try:
            lag = reader.lag_bytes()
        finally:
            reader.close()
        if lag > _LAG_BYTES:
            yield Finding(
                Level.WARNING, f"journal {name}", f"{lag / 2**20:.0f} MiB not yet taken by {consumer}",
                f"Does `carecircle run --role {consumer}` run, and does what it writes to answer?",
            )  # fmt: skip
        else:
            yield Finding(Level.OK, f"journal {name}", f"{lag / 2**10:.0f} KiB not yet taken by {consumer}")


def _weights(settings: Settings) -> Iterator[Finding]:
    from detectors.fall.bank import FallBank
    from detectors.fall.weights import load_model, shipped_model

    FallBank(load_model(settings.falls.weights) if settings.falls.weights else shipped_model())
    found = str(settings.falls.weights or "weights of this release")
    if settings.falls.shards > 1:
        found += f", the devices shared out to {settings.falls.shards} processes"
    yield Finding(Level.OK, "fall detector", found)


def _secrets(settings: Settings) -> Iterator[Finding]:
    if _is_missing_file(settings.resolved_database_url()):
        return
    for level, what, found, advice in check_sealed(settings):
        yield Finding(Level(level), what, found, advice)


def _rosters(settings: Settings) -> Iterator[Finding]:
    if _is_missing_file(settings.resolved_database_url()):
        return
    for ok, what, found, advice in check_rosters(settings):
        yield Finding(Level.OK if ok else Level.WARNING, what, found, advice)


def _sensors(settings: Settings) -> Iterator[Finding]:
    if _is_missing_file(settings.resolved_database_url()):
        return
    for ok, what, found, advice in check_sensors(settings):
        yield Finding(Level.OK if ok else Level.WARNING, what, found, advice)


def _devices(settings: Settings) -> Iterator[Finding]:
    if _is_missing_file(settings.resolved_database_url()):
        return
    for ok, what, found, advice in check_devices(settings):
        yield Finding(Level.OK if ok else Level.WARNING, what, found, advice)


def _detectors(settings: Settings) -> Iterator[Finding]:
    on = {
        "vitals": settings.vitals.enabled,
        "routine": settings.routine.enabled,
        "devices": settings.devices.enabled,
    }
    off = [name for name, is_on in on.items() if not is_on]
    stats = settings.state_dir / "processor.json"
    failed = {}
    if stats.exists():
        counts = json.loads(stats.read_text())
        failed = {name: counts[key] for name in on if counts.get(key := f"failed_{name}")}
    said = f"switched off: {', '.join(off)}" if off else "falls, events, vitals, routine and devices are on"
    if failed:
        yield Finding(
            Level.PROBLEM, "detectors",
            f"{said}; steps that failed: {', '.join(f'{name} {count:.0f}' for name, count in failed.items())}",
            "See the processor's log, and report it. Falls and calls for help go on.",
        )  # fmt: skip
    else:
        yield Finding(Level.OK, "detectors", said)


def _probe(settings: Settings) -> Iterator[Finding]:
    if settings.probe.device and _is_missing_file(settings.resolved_database_url()):
        return
    for ok, what, found, advice in check_probe(settings):
        yield Finding(Level.OK if ok else Level.WARNING, what, found, advice)


def _console(settings: Settings) -> Iterator[Finding]:
    import httpx

    url = f"http://{settings.console.host}:{settings.console.port}/healthz"
    try:
        answer = httpx.get(url, timeout=3)
    except httpx.HTTPError as error:
        yield Finding(Level.WARNING, "console", f"{url}: {error}", "Start it: `carecircle run --role console`.")
        return
    if answer.is_success:
        yield Finding(Level.OK, "console", url)
    else:
        yield Finding(Level.PROBLEM, "console", f"{url} answers {answer.status_code}", "Look at the console's log.")
