"""A round of the probe, and one after the other for ever."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

from carecircle.probe.outside import beat, send_page
from carecircle.probe.receipt import TestChannel
from carecircle.probe.sos import send_sos
from carecircle.probe.verdict import Seen, Standing, fault, judge, paged
from carecircle.settings import Settings, SettingsError

_log = logging.getLogger(__name__)

_FILE = "probe.json"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to. ``faults`` is empty when all is well; ``not_paged`` says why a page did not get out."""

    at_ms: int
    seen: Seen
    faults: tuple[str, ...]
    paged: str = ""
    not_paged: tuple[str, ...] = ()


def check(settings: Settings) -> None:
    """Raises SettingsError when something is missing without which the probe cannot work."""
    if not settings.probe.device:
        raise SettingsError("the probe needs a device: set probe.device to one of the kind `test` in the registry")
    if not settings.probe_secret():
        raise SettingsError("the probe needs the secret of its channel in the registry: set probe.secret_file")


def open_channel(settings: Settings) -> TestChannel:
    """The test channel of the settings.

    Raises:
        SettingsError: something is missing, or the secret is none.
        ProbeError: its address cannot be listened on.
    """
    check(settings)
    try:
        return TestChannel(settings.probe.listen_host, settings.probe.listen_port, settings.probe_secret() or "")
    except ValueError:
        raise SettingsError("probe.secret must be whsec_ and base64, the same as in the registry") from None


def watch_once(settings: Settings, channel: TestChannel, stop: Event | None = None) -> Round | None:
    """One round: an SOS; the heartbeat when it came through; page if it is due, and remember.

    None when ``stop`` was set meanwhile: what was still awaited then says nothing.
    """
    seen = send_sos(settings, channel, stop)
    wrong = fault(seen, settings.probe.within_s)
    if wrong and stop is not None and stop.is_set():
        return None
    wrong = wrong or beat(settings)
    faults, at_ms = (wrong,) if wrong else (), now_ms()
    standing, page = judge(last_standing(settings), faults, at_ms, settings.probe.repeat_s, socket.gethostname())
    kind, failed = "", []
    if page is not None:
        failed = send_page(settings, page)
        if failed:
            _log.error("the operator could not be paged: %s", "; ".join(failed))
        else:
            kind = page.kind.value
            standing = paged(standing, page, at_ms)
    done = Round(at_ms, seen, faults, kind, tuple(failed))
    _remember(settings, standing, done)
    for wrong in done.faults:
        _log.error("%s", wrong)
    if not done.faults:
        _log.info("the SOS came through in %.2f s", done.seen.received_s or 0.0)
    return done


def watch(settings: Settings, stop: Event) -> None:
    """A round every ``probe.every_s``, the first after ``probe.start_s``, until ``stop``. A round that fails by a
    defect of ours is logged, and the heartbeat stays away.

    Raises:
        SettingsError, ProbeError: see :func:`open_channel`.
    """
    with open_channel(settings) as channel:
        due_s = time.monotonic() + settings.probe.start_s
        while not stop.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + settings.probe.every_s, time.monotonic())
            try:
                watch_once(settings, channel, stop)
            except Exception:
                _log.exception("a round of the probe failed")


def last_standing(settings: Settings) -> Standing:
    """Where it stood after the last round; all well when nothing is known."""
    found = last(settings).get("standing")
    try:
        return Standing(**found) if isinstance(found, dict) else Standing()
    except TypeError:  # another version wrote it
        return Standing()


def last(settings: Settings) -> dict[str, object]:
    """What the last round wrote: ``round`` and ``standing``; {} when there was none or it cannot be read."""
    try:
        found = json.loads(_path(settings).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(settings: Settings, standing: Standing, done: Round) -> None:
    path = _path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"standing": asdict(standing), "round": asdict(done)}))
        os.replace(beside, path)
    except OSError as error:  # a full disk must not silence the probe
        _log.error("%s cannot be written: %s", path, error.strerror)


def _path(settings: Settings) -> Path:
    return settings.state_dir / _FILE


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000
