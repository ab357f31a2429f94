"""What the roles make of settings and registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import registry
from carecircle import roles
from carecircle.settings import Role, Settings
from carecircle.settings_groups import FallSettings
from detectors.detection import Detection, Stage, unpack_detection
from firmware_sim.motion import LSB_G
from journal import JournalReader, JournalWriter
from telemetry.codec import encode_motion
from telemetry.records import pack_raw
from tests.ingest.clear_fall import FALL_S, SECONDS, clear_fall, threshold_of

PEOPLE = "- {key: p-1, name: A, area: d, fall_point: FIRST}\n- {key: p-2, name: B, area: d}\n"
DEVICES = "id,person,placement\nw-1,p-1,waist\nw-2,p-2,waist\nspare,,wrist\n"


def write_district(folder: Path, fall_point: str) -> Path:
    """Two people with a wearable each, one of them with an operating point."""
    folder.mkdir(exist_ok=True)
    (folder / "areas.csv").write_text("path,name\nd,D\n")
    (folder / "people.yaml").write_text(PEOPLE.replace("FIRST", fall_point))
    (folder / "devices.csv").write_text(DEVICES)
    return folder


@contextmanager
def processor(settings: Settings) -> Iterator[None]:
    """The role in a thread; at the end it saves its checkpoint."""
    stop = threading.Event()
    thread = threading.Thread(target=roles.run_role, args=(Role.PROCESSOR, settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


class Wearers:
    """Both wearers' way to the journal `raw`, and what comes out of `detections`."""

    def __init__(self, settings: Settings) -> None:
        journals = settings.journal_dir
        self._raw = JournalWriter(journals / "raw", consumers=("processor",), reserve_bytes=0)
        self._replayed = JournalWriter(journals / "replayed", consumers=("processor",), reserve_bytes=0)
        self._folder = journals / "detections"
        self._found: JournalReader | None = None
        self._start_ms = time.time_ns() // 1_000_000 - 120_000
        self._said = 0

    def wear(self, seconds: int) -> None:
        """Send so many more seconds of walking and falling over and over."""
        for _ in range(seconds):
            t_ms = self._start_ms + self._said * 1000
            frame = encode_motion(
                t=t_ms, boot=7, seq=self._said, fs=50, lsb=LSB_G, acc=clear_fall()[self._said % SECONDS]
            )
            topics = (f"care/v1/{device}/motion".encode() for device in ("w-1", "w-2"))
            self._raw.append([pack_raw(t_ms + 1050, 0, topic, frame) for topic in topics])
            self._said += 1
        self._raw.commit()

    def falls(self) -> dict[str, float]:
        """The next confirmed fall of each: device -> the threshold it was decided at."""
        found: dict[str, Detection] = {}
        deadline = time.monotonic() + 20
        while len(found) < 2 and time.monotonic() < deadline:
            if self._found is None and self._folder.exists():
                self._found = JournalReader(self._folder, "alerts")
            for batch in self._found.read() if self._found is not None else ():
                some = [unpack_detection(record) for record in batch.records]
                found |= {one.device: one for one in some if one.stage is Stage.CONFIRMED}
            time.sleep(0.02)
        return {device: one.features["threshold"] for device, one in sorted(found.items())}

    def close(self) -> None:
        """Leave the journals."""
        self._raw.close()
        self._replayed.close()
        if self._found is not None:
            self._found.close()


def test_operating_points_reach_the_processor_by_registry_and_by_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """t: both fall, p-1 at a point of their own. An import, no restart: p-1 has another. The system stops as both walk
    and starts with another general point: p-2 falls at that one, p-1 still at their own."""
    caplog.set_level("INFO")
    settings = Settings(data_dir=tmp_path / "data", database_url="", falls=FallSettings(operating_point="sensitive"))
    engine = roles.prepare(settings)
    registry.import_folder(engine, write_district(tmp_path / "district", "quiet"))
    wearers = Wearers(settings)
    try:
        with processor(settings):
            wearers.wear(SECONDS)
            assert wearers.falls() == {"w-1": threshold_of("quiet"), "w-2": threshold_of("sensitive")}
            assert registry.import_folder(engine, write_district(tmp_path / "district", "balanced")).applied
            deadline = time.monotonic() + 20
            while "registry revision 2" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
            wearers.wear(SECONDS)
            assert wearers.falls() == {"w-1": threshold_of("balanced"), "w-2": threshold_of("sensitive")}
            wearers.wear(FALL_S - 2)
        settings.falls.placements.waist = "quiet"
        with processor(settings):
            wearers.wear(SECONDS - FALL_S + 2)
            assert wearers.falls() == {"w-1": threshold_of("balanced"), "w-2": threshold_of("quiet")}
        assert "starting without it" not in caplog.text
    finally:
        wearers.close()
        engine.dispose()


def test_owners_come_from_the_registry_when_it_has_changed(tmp_path: Path) -> None:
    """The person's area and operating point with the device; nothing while nothing changes."""
    engine = roles.prepare(Settings(data_dir=tmp_path / "data"))
    changed = roles.owners_of(engine)
    assert changed() == {}
    registry.import_folder(engine, write_district(tmp_path / "district", "quiet"))
    owners = changed() or {}
    assert {
        device: (owner.person, owner.area, owner.placement, owner.fall_point) for device, owner in owners.items()
    } == {
        "w-1": ("p-1", "d", "waist", "quiet"),
        "w-2": ("p-2", "d", "waist", ""),
        "spare": (None, "d", "wrist", ""),
    }
    assert changed() is None
    registry.import_folder(engine, write_district(tmp_path / "district", "sensitive"))
    assert (changed() or {})["w-1"].fall_point == "sensitive"
    engine.dispose()
