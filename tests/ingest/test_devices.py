"""The devices that have spoken, in a checkpoint and out of it."""

from __future__ import annotations

import pickle

from ingest.clock import STEADY_MS
from ingest.dedupe import WINDOW
from ingest.devices import Device, Devices, Owner
from telemetry.topics import Stream

NOW = 1_800_000_000_000
BOOTS = (7, 1 << 31, (1 << 32) - 1, 9, 11)


def eventful(devices: Devices, name: str) -> Device:
    """A device of five boots, with gaps in its numbers, a clock that is wrong and one that is not known yet."""
    device = devices.find(name)
    assert device is not None
    for k, boot in enumerate(BOOTS):
        birth = k != len(BOOTS) - 1
        t_ms = NOW - k * 86_400_000 if birth else NOW - 3_600_000
        device.clock.judge(boot=boot, t_ms=t_ms, recv_ms=NOW + k, birth=birth, hist=False)
        for seq in (0, 1, 2, 2 + WINDOW // 2, 3 + WINDOW // 2):
            device.first_time(Stream.VITALS, boot, seq)
    for seq in range(WINDOW + 5):
        device.first_time(Stream.MOTION, BOOTS[-1], seq)
    device.recent_frames.append((NOW, -(1 << 62)))
    device.clock_boot = BOOTS[0]
    device.said_placement = "wrist"
    device.heard(NOW)
    device.says(online=True)
    device.promises(300.0)
    return device


def told(device: Device) -> tuple[object, ...]:
    """Everything that is known of it."""
    return (
        device.id, device.row, device.person, device.area, device.placement, device.kind, device.registered,
        device.said_placement, device.clock_boot, device.recent_frames, list(device.seen.state()),
        [clock.values() for clock in device.clock.boots], device.last_recv_ms, device.online,
        device.presence.heartbeat_s[device.row],
    )  # fmt: skip


def test_a_checkpoint_has_everything_that_is_known_of_a_device() -> None:
    """Of one that has been through much, and of one that has said nothing that counts."""
    owners = {name: Owner(f"p-{name}", "lianhu.a", None, kind="wearable") for name in ("w-1", "w-2", "w-3")}
    before, after = Devices(), Devices()
    before.update_owners(owners)
    assert before.find("w-1") is not None
    eventful(before, "w-2")
    eventful(before, "w-3").clock.judge(boot=BOOTS[-1], t_ms=NOW, recv_ms=NOW + STEADY_MS, birth=True, hist=False)
    after.restore(pickle.loads(pickle.dumps(before.state())))
    assert [told(device) for device in after.rows] == [told(device) for device in before.rows]
    assert after.find("w-3") is after.rows[2]
    assert len(after.rows[1].clock.boots) == 4, "the oldest of five is forgotten"


def test_what_was_taken_before_a_checkpoint_is_a_repetition_after_it() -> None:
    """Numbers behind a gap too, of every boot that is remembered."""
    before, after = Devices(), Devices()
    before.update_owners({"w-1": Owner(None, None, None)})
    eventful(before, "w-1")
    after.restore(pickle.loads(pickle.dumps(before.state())))
    (device,) = after.rows
    for boot in BOOTS[1:]:
        assert not device.first_time(Stream.VITALS, boot, 2)
        assert device.first_time(Stream.VITALS, boot, 3)
    assert device.first_time(Stream.VITALS, BOOTS[0], 2), "its boot is forgotten"
    assert not device.first_time(Stream.MOTION, BOOTS[-1], WINDOW + 4)
    assert device.first_time(Stream.MOTION, BOOTS[-1], WINDOW + 5)


def test_a_boot_before_keeps_its_clock_when_another_begins() -> None:
    """Each clock is told by its boot, however many there are."""
    devices = Devices()
    devices.update_owners({"w-1": Owner(None, None, None)})
    device = eventful(devices, "w-1")
    assert [device.clock.peek(boot).offset_ms for boot in BOOTS] == [
        0, 86_400_001, 2 * 86_400_000 + 2, 3 * 86_400_000 + 3, 0,
    ]  # fmt: skip
