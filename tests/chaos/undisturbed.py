"""What the same messages give when nothing happens to them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from detectors.fall.bank import FallBank
from ingest.devices import Owner
from ingest.pipeline import Output, Pipeline
from telemetry.codec import Motion, encode_motion
from telemetry.records import Flag, RawMessage
from tests.chaos.account import Finding

#: From a frame's first sample to the gateway, without a disturbance: a second of motion, and nothing for the way.
_WAY_MS = 1_000
_FEED = 500


@dataclass(slots=True)
class Undisturbed:
    """Falls, and the movement (enmo) of each device's ten-second windows by (device, ns)."""

    falls: list[Finding] = field(default_factory=list)
    movement: dict[tuple[str, int], float] = field(default_factory=dict)


def undisturbed(frames: Iterable[tuple[bytes, Motion]], owners: Mapping[str, Owner]) -> Undisturbed:
    """What falls and movement these motion frames (topic, frame) give, each a second after it began and none late."""
    pipeline = Pipeline(FallBank(), FallBank())
    pipeline.update_owners(owners)
    found = Undisturbed()

    def take(out: Output) -> None:
        found.falls += [
            Finding(d.device, d.onset_ms) for d in out.detections if d.kind == "fall" and d.stage == "confirmed"
        ]
        for batch in out.points:
            if batch.measurement == "motion":
                rows = zip(batch.tags["device"], batch.t_ns, batch.fields["enmo_g"], strict=True)
                found.movement.update({(device, int(t_ns)): float(enmo) for device, t_ns, enmo in rows})

    ordered = sorted(frames, key=lambda one: one[1].t)
    for start in range(0, len(ordered), _FEED):
        some = ordered[start : start + _FEED]
        pipeline.feed(RawMessage(m.t + _WAY_MS, Flag.NONE, topic, _as_live(m)) for topic, m in some)
        take(pipeline.advance())
    if ordered:
        take(pipeline.advance(ordered[-1][1].t + 60_000))
    return found


def _as_live(motion: Motion) -> bytes:
    """The frame as its device would have sent it at once."""
    if motion.acc.dtype != np.int16:
        raise ValueError(f"frame {motion.seq} came as JSON: the wearers of this fleet send MessagePack")
    return encode_motion(
        t=motion.t,
        boot=motion.boot,
        seq=motion.seq,
        fs=motion.fs,
        lsb=motion.lsb,
        acc=motion.acc.astype(np.int16, copy=False),
        glsb=None if motion.gyr is None else motion.glsb,
        gyr=None if motion.gyr is None else motion.gyr.astype(np.int16, copy=False),
        idle_until=motion.idle_until,
    )
