"""The truth of a run, gathered from its devices and faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from firmware_sim.device import Device
from firmware_sim.faults.record import Record
from firmware_sim.scenario import Scenario
from firmware_sim.truth import Fall, Press, Published, Truth
from firmware_sim.wearer import Wearer


def what_happened(
    scenario: Scenario,
    devices: Collection[Device],
    record: Record,
    *,
    source: str,
    seed: int,
    start_ms: int,
    end_ms: int,
) -> Truth:
    """What happened to ``devices`` up to ``end_ms``, and what the broker took of their own messages until now."""
    return Truth(
        scenario=scenario.name,
        source=source,
        seed=seed,
        start_ms=start_ms,
        end_ms=end_ms,
        devices=len(devices),
        falls=sorted((fall for device in devices for fall in _falls(device, end_ms)), key=lambda fall: fall.impact_ms),
        sos=sorted((press for device in devices for press in _presses(device)), key=lambda press: press.pressed_ms),
        published=[part for device in devices for part in _published(device)],
        faults=record.faults_by(end_ms),
        happenings=sorted(
            [*record.happenings_by(end_ms), *(one for device in devices for one in device.happened(end_ms))],
            key=lambda one: one.begin_ms,
        ),
        spoiled=record.spoiled_taken(),
    )


def _falls(device: Device, end_ms: int) -> Iterator[Fall]:
    if not isinstance(device, Wearer) or not device.track.falls:
        return
    for (at_ms, key), after in zip(device.falls_by(end_ms), device.aftermaths, strict=False):
        yield Fall(device=device.id, person=device.person, impact_ms=at_ms, motion=key, outcome=after.outcome)


def _presses(device: Device) -> Iterator[Press]:
    for call in device.calls:
        if call.kind == "sos":
            yield Press(
                device=device.id,
                person=device.person,
                boot=call.boot,
                seq=call.message.seq,
                pressed_ms=call.made_ms,
                acked_ms=call.acked_ms,
                repeats=call.repeats,
            )


def _published(device: Device) -> Iterator[Published]:
    for boot, outbox in device.outboxes.items():
        for stream in sorted({*outbox.published, *outbox.dropped}):
            taken, dropped = outbox.published.get(stream), outbox.dropped.get(stream)
            yield Published(
                device=device.id,
                stream=stream.value,
                boot=boot,
                seq=taken.pairs() if taken else [],
                dropped=dropped.pairs() if dropped else [],
            )
