"""A call for help does not wait behind a backlog, and is one call all the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detectors.detection import Detection, unpack_detection
from detectors.fall.bank import FallBank
from ingest import processor as module
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.devices import Owner
from ingest.events import EventLane
from ingest.hubs_ahead import HubsAhead
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from journal import JournalReader, JournalWriter
from telemetry.blocks import RawBlock, may_hold_events, pack_block, pack_columns
from telemetry.codec import encode_json
from telemetry.messages import Event, Vitals
from telemetry.records import CONNECTED, pack_raw

NOW = 1_760_000_000_000
HUB, BUTTON, STRANGER = "zigbee2mqtt/home", "0x00158d0000000003", "0x00158d00000000ff"


def _pipeline() -> Pipeline:
    return Pipeline(FallBank(), FallBank(), zigbee=Zigbee2Mqtt(["zigbee2mqtt/+"]))


class _Backlog:
    """A journal in which things wait, and a processor that takes a few at a time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_BEHIND_BYTES", 1000)
        self.folder = folder
        self.pipeline = _pipeline()
        self.raw = JournalWriter(folder / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
        self.processor = self._processor()
        self._told = JournalReader(folder / "journal" / "detections", "alerts")
        self._seq = 0

    def _processor(self) -> Processor:
        settings = ProcessorSettings(
            self.folder / "journal", self.folder / "quarantine", self.folder / "state", read_bytes=500
        )
        button = Owner("p2", "lianhu.a.b", None, kind="button")
        owners = {"w": Owner("p1", "lianhu.a.b", "waist"), BUTTON: button}
        return Processor(settings, self.pipeline, owners=lambda: owners, wall_ms=lambda: NOW)

    def killed(self) -> None:
        """Another process begins where the last checkpoint was: here, at the beginning."""
        self.processor.close()
        self.pipeline = _pipeline()
        self.processor = self._processor()

    def waits(self, messages: int = 60) -> None:
        """Vital signs that were not taken."""
        for _ in range(messages):
            self._seq += 1
            said = Vitals(t=NOW + self._seq, boot=1, seq=self._seq, hr=70.0)
            self.comes(pack_raw(NOW + self._seq, 0, b"care/v1/w/vitals", encode_json(said)))

    def comes(self, record: bytes) -> None:
        self.raw.append([record])
        self.raw.commit()

    def says(self, *said: tuple[str, object], at_ms: int = NOW, flags: int = 0) -> None:
        """One block with what a hub says of its devices, under these names."""
        messages = [(f"{HUB}/{name}".encode(), json.dumps(what).encode()) for name, what in said]
        self.comes(_block(*messages, events=False, hubs=True, at_ms=at_ms, flags=flags))

    def found(self) -> list[Detection]:
        """What alerts had not read."""
        return [unpack_detection(record) for batch in self._told.read() for record in batch.records]

    def rest(self) -> list[Detection]:
        """What is found while all that waits is taken."""
        while self.processor.step(0.0):
            pass
        return self.found()

    def close(self) -> None:
        self.processor.close()
        self._told.close()
        self.raw.close()


@pytest.fixture
def backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = _Backlog(tmp_path, monkeypatch)
    yield made
    made.close()


def _event(kind: str, seq: int, **more: object) -> bytes:
    return encode_json(Event(t=NOW, boot=1, seq=seq, type=kind, **more))


def _block(
    *messages: tuple[bytes, bytes], events: bool | None = None, hubs: bool = False, at_ms: int = NOW, flags: int = 0
) -> bytes:
    """A record of the journal as the gateway writes it."""
    data, places = b"", []
    for topic, payload in messages:
        start = len(data)
        data += topic + payload
        places.append((start, start + len(topic), start + len(topic), len(data)))
    columns = np.array(places, np.uint32).T
    block = RawBlock(at_ms, *columns, np.full(len(messages), flags, np.uint8), np.frombuffer(data, np.uint8))
    return pack_columns(block, events=events, hubs=hubs) + data


def test_a_call_behind_a_backlog_is_found_with_the_first_turn_and_again_in_its_own(backlog: _Backlog) -> None:
    """Twice the same finding, so that whoever takes it in knows it."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", _event("sos", 7)))
    backlog.waits(5)
    assert backlog.processor.step(0.0)
    assert backlog.pipeline.counts["messages"] < 10
    (overtook,) = backlog.found()
    assert (overtook.kind, overtook.person, overtook.recv_ms) == ("sos", "p1", NOW + 60)
    (in_turn,) = backlog.rest()
    assert (in_turn.id, in_turn.stage, in_turn.severity, in_turn.onset_ms) == (
        overtook.id, overtook.stage, overtook.severity, overtook.onset_ms,
    )  # fmt: skip
    assert backlog.pipeline.counts["messages"] == 66


def test_what_answers_a_call_waits_for_its_turn(backlog: _Backlog) -> None:
    """An "I am OK" told before the fall that it answers would leave the fall unanswered."""
    backlog.waits()
    backlog.comes(_block((b"care/v1/w/event", _event("cancel", 8, re="x")), events=True))
    backlog.comes(_block((b"care/v1/w/event", _event("fall", 9)), events=True))
    assert backlog.processor.step(0.0)
    assert [one.kind for one in backlog.found()] == ["fall"]
    assert [one.kind for one in backlog.rest()] == ["cancel", "fall"]


def test_a_call_is_found_amid_the_frames_of_a_block_that_nobody_has_looked_through(backlog: _Backlog) -> None:
    """As blocks of an older release are; and of somebody whom the registry does not know."""
    backlog.waits()
    vitals = encode_json(Vitals(t=NOW, boot=2, seq=1, hr=70.0))
    messages = [(b"care/v1/w/vitals", vitals), (b"care/v1/else/event", _event("sos", 3)), (b"x", b"/event")]
    backlog.comes(_block(*messages))
    assert backlog.processor.step(0.0)
    (overtook,) = backlog.found()
    assert (overtook.device, overtook.person) == ("else", None)
    assert "unknown" in overtook.notes["device"]


def test_a_broken_call_overtakes_as_it_is_rescued_and_is_quarantined_once(backlog: _Backlog) -> None:
    """What cannot be read at all waits for the quarantine."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", b'{"type": "sos", "t": "yesterday"}'))
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", b"\xff\xfe"))
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1//event", _event("sos", 5)))
    assert backlog.processor.step(0.0)
    (overtook,) = backlog.found()
    assert "contract" in overtook.notes
    assert [one.id for one in backlog.rest()] == [overtook.id]
    assert backlog.processor._refused == {"invalid": 1, "undecodable": 1, "bad_topic": 1}


def test_a_defect_of_ours_ends_nothing(backlog: _Backlog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the process would die of the same message again and again, and nobody would be called any more."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", _event("sos", 5)))
    monkeypatch.setattr(EventLane, "overtaking", lambda *_: 1 / 0)
    assert backlog.processor.step(0.0)
    assert backlog.found() == []
    assert [one.kind for one in backlog.rest()] == ["sos"]


def test_a_retained_call_does_not_overtake(backlog: _Backlog) -> None:
    """Nor is it one in its turn."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 1, b"care/v1/w/event", _event("sos", 5)))
    assert backlog.processor.step(0.0)
    assert backlog.rest() == []


def test_after_a_kill_a_call_overtakes_again_under_its_id(backlog: _Backlog) -> None:
    """Nobody remembers that it has."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", _event("sos", 7)))
    assert backlog.processor.step(0.0)
    (before,) = backlog.found()
    backlog.killed()
    assert backlog.processor.step(0.0)
    (after,) = backlog.found()
    assert after.id == before.id


def test_without_a_backlog_nothing_is_looked_at_twice(backlog: _Backlog) -> None:
    """A call that comes in ordinary times is found once."""
    backlog.waits(2)
    backlog.comes(pack_raw(NOW + 60, 0, b"care/v1/w/event", _event("sos", 7)))
    assert [one.kind for one in backlog.rest()] == ["sos"]


def test_a_press_of_a_button_at_a_hub_overtakes_and_is_the_same_call_in_its_turn(backlog: _Backlog) -> None:
    """Its identity is made from what came before it, too: here something else of the same instant."""
    backlog.waits()
    backlog.says((BUTTON, {"presence": True}), (BUTTON, {"presence": True, "action": "single"}), at_ms=NOW + 60)
    backlog.says((STRANGER, {"action": "sos"}), at_ms=NOW + 61)
    assert backlog.processor.step(0.0)
    assert backlog.pipeline.counts["messages"] < 10
    mine, strange = backlog.found()
    assert (mine.kind, mine.device, mine.person, mine.recv_ms) == ("sos", BUTTON, "p2", NOW + 60)
    assert "unknown" in strange.notes["device"]
    in_turn = backlog.rest()
    assert [(one.id, one.stage, one.severity, one.onset_ms, one.notes) for one in in_turn] == [
        (one.id, one.stage, one.severity, one.onset_ms, one.notes) for one in (mine, strange)
    ]


def test_what_a_hub_only_says_again_is_no_call_ahead_of_its_turn_either(backlog: _Backlog) -> None:
    """An attribute stays set, an action is echoed: what is known of the device now, and what waits, tell that."""
    backlog.says((BUTTON, {"sos": True, "battery": 90}))
    assert backlog.processor.step(0.0)
    assert [one.kind for one in backlog.found()] == ["sos"]
    backlog.waits()
    backlog.says((BUTTON, {"sos": True, "battery": 89}), at_ms=NOW + 70)
    assert backlog.processor.step(0.0)
    assert backlog.found() == []
    backlog.says((BUTTON, {"sos": False, "battery": 89}), at_ms=NOW + 71)
    backlog.says((BUTTON, {"sos": True, "battery": 89}), at_ms=NOW + 72)
    backlog.says((STRANGER, {"action": "sos"}), (f"{STRANGER}/action", "sos"), at_ms=NOW + 73)
    assert backlog.processor.step(0.0)
    overtook = backlog.found()
    assert [(one.device, one.recv_ms) for one in overtook] == [(BUTTON, NOW + 72), (STRANGER, NOW + 73)]
    assert [one.id for one in backlog.rest()] == [one.id for one in overtook]


def test_what_the_gateway_missed_is_known_ahead_of_its_turn(backlog: _Backlog) -> None:
    """Words and identity of a call that waited at the broker while nobody listened."""
    backlog.waits()
    backlog.comes(pack_raw(NOW + 60, 0, CONNECTED, json.dumps({"down_since_ms": NOW - 90_000}).encode()))
    backlog.says((BUTTON, {"action": "single"}), at_ms=NOW + 60)
    backlog.says((STRANGER, {"action": "sos", "last_seen": NOW - 80_000}), at_ms=NOW + 61)
    assert backlog.processor.step(0.0)
    mine, strange = backlog.found()
    assert mine.notes["sent"] == "it may have waited at the broker for up to 90 s"
    assert strange.onset_ms == NOW - 80_000
    assert [(one.id, one.notes) for one in backlog.rest()] == [(one.id, one.notes) for one in (mine, strange)]


def test_after_a_backlog_and_after_a_kill_hubs_are_looked_at_anew(backlog: _Backlog) -> None:
    """From where the ordinary work is: calls that were told already are told once more under their ids at most."""
    backlog.waits()
    backlog.says((BUTTON, {"action": "single"}))
    assert backlog.processor.step(0.0)
    (first,) = backlog.found()
    backlog.killed()
    assert {one.id for one in backlog.rest()} == {first.id}
    backlog.waits()
    backlog.says((BUTTON, {"action": "single"}), at_ms=NOW + 200)
    assert backlog.processor.step(0.0)
    (second,) = backlog.found()
    assert [one.id for one in backlog.rest()] == [second.id]
    assert second.id != first.id


def test_a_defect_of_ours_in_what_looks_at_hubs_ends_nothing(
    backlog: _Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a device's own calls; nor does what cannot be read."""
    monkeypatch.setattr(HubsAhead, "_take", lambda *_: 1 / 0)
    backlog.waits()
    backlog.says((BUTTON, "no object"), (BUTTON, {"action": "single"}))
    assert backlog.processor.step(0.0)
    assert backlog.found() == []
    assert [one.kind for one in backlog.rest()] == ["sos"]


def test_a_block_says_whether_there_are_events_in_it() -> None:
    """Where nobody has looked its bytes decide, and rather yes than no."""
    vitals, sos = (b"care/v1/w/vitals", b"{}"), (b"care/v1/w/event", b"{}")
    assert may_hold_events(_block(vitals, sos, events=True))
    assert not may_hold_events(_block(vitals, (b"x", b"/event"), events=False))
    assert not may_hold_events(_block(vitals, (b"z/event", b""), events=False, hubs=True))  # they hurry nobody
    assert may_hold_events(_block(vitals, sos))
    assert not may_hold_events(_block(vitals))
    assert may_hold_events(pack_raw(NOW, 0, *sos))
    assert not may_hold_events(pack_raw(NOW, 0, *vitals))
    assert not may_hold_events(b"")
    block = RawBlock(NOW, *(np.zeros(0, np.uint32) for _ in range(4)), np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    assert not may_hold_events(pack_block(block))
