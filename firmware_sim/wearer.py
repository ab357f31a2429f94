"""Somebody with a wearable: frames of motion, vital signs, answers to a prompt."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from firmware_sim.answers import answer
from firmware_sim.device import Device, Identity, Setup
from firmware_sim.frames import motion_body, motion_payload, with_idle
from firmware_sim.illness import happenings
from firmware_sim.models import Sensing
from firmware_sim.motion import FS_HZ, LSB_G, Counts, Motion
from firmware_sim.people import Aftermath
from firmware_sim.session import Message
from firmware_sim.track import Track
from firmware_sim.truth import Happening
from firmware_sim.vitals import VitalSigns
from telemetry.codec import encode_json
from telemetry.messages import Command, Vitals
from telemetry.topics import Stream

#: Who answers a prompt does so after this long.
_ANSWERS_AFTER_S = (3.0, 6.0)
#: A model that rests does so after this long without motion, and promises at most so long a silence, in s.
_RESTS_AFTER_S = 120
_RESTS_AT_MOST_S = 600
#: A model whose battery is this low, in %, is charged; full again within two hours.
_CHARGED_AT = 15.0
_CHARGING_PCT_H = 50.0


class Wearer(Device):
    """A person with a wearable: a motion frame a second, vital signs now and then.

    Args:
        origin_ms: instant of the track's first sample.
        track: the motion.
        vitals: the vital signs.
        aftermaths: of each fall of the track, how it ends.
        sensing: the model that is worn; None for what all have in common.
        others: see :class:`firmware_sim.device.Device`.
    """

    def __init__(
        self,
        identity: Identity,
        setup: Setup,
        rng: np.random.Generator,
        *,
        origin_ms: int,
        track: Motion,
        vitals: VitalSigns,
        aftermaths: Sequence[Aftermath] | None = None,
        sensing: Sensing | None = None,
    ) -> None:
        super().__init__(identity, setup, rng)
        self.origin_ms = origin_ms
        self.track = track
        self.aftermaths = aftermaths or [Aftermath("", 0.0)] * len(track.falls)
        self._vitals = vitals
        self._effort = 0.0
        self._sensing = sensing
        self._charging = False
        self._still_s = 0
        if self.setup.motion:
            self.at(origin_ms + 1000, self._frame)
        if self.setup.vitals_s:
            first = origin_ms + int(self.rng.uniform(0, self.setup.vitals_s) * 1000)
            self.at(first, self._reading)
        self.start(origin_ms)

    def happened(self, until_ms: int) -> list[Happening]:
        """The illnesses of the wearer."""
        return [one for span in self._vitals.illness for one in happenings(span, self.id, self.person)
                if span.begin_ms <= until_ms]  # fmt: skip

    def impact_ms(self, sample: int) -> int:
        """The instant of a sample of the track."""
        return self.origin_ms + sample * 1000 // FS_HZ

    def falls_by(self, now_ms: int) -> list[tuple[int, str]]:
        """(impact_ms, key) of the falls of which the frame with the impact is over by ``now_ms``."""
        frames = (now_ms - self.origin_ms) // 1000
        return [(self.impact_ms(sample), key) for sample, key in self.track.falls if sample < frames * FS_HZ]

    def command(self, command: Command, now_ms: int) -> None:
        """Besides what every device does: answer a prompt when one is well."""
        super().command(command, now_ms)
        if command.type != "prompt" or not self.setup.answers_prompts or command.expires_ms < now_ms:
            return
        falls = ((at_ms, after) for (at_ms, _), after in zip(self.falls_by(now_ms), self.aftermaths, strict=False))
        said = answer(falls, now_ms, command.expires_ms)
        if said is not None:
            answer_ms = said.from_ms + int(self.rng.uniform(*_ANSWERS_AFTER_S) * 1000)
            re = command.id if said.kind == "cancel" else None
            self.at(answer_ms, lambda at_ms: self.call(said.kind, at_ms, re=re))

    def _drain(self) -> None:
        if self._sensing is None:
            super()._drain()
            return
        hours = self.setup.heartbeat_s / 3600
        self._charging = self._battery < _CHARGED_AT or (self._charging and self._battery < 100.0)
        gain = _CHARGING_PCT_H if self._charging else -100.0 / self._sensing.model.battery_h
        self._battery = min(100.0, max(1.0, self._battery + gain * hours))

    def _frame(self, due_ms: int) -> list[Message]:
        acc, gyr = self.track.take(FS_HZ)
        seq = next(self._seq[Stream.MOTION])
        if seq % 5 == 0:
            self._effort = 0.7 * self._effort + 0.3 * effort(acc)
        if self._sensing is None:
            with_gyro = self.setup.gyroscope
            body = motion_body(acc, gyr if with_gyro else None)
        else:
            model = self._sensing.model
            felt, turned = self._sensing.read(acc, gyr)
            with_gyro = turned is not None
            body = motion_body(felt, turned, fs_hz=model.fs, lsb_g=model.lsb)
        payload = motion_payload(due_ms - 1000, self.boot, seq, body, gyro=with_gyro)
        rests_s = self._rests()
        if rests_s:
            self.track.take(rests_s * FS_HZ)
            self._effort = 0.0
            payload = with_idle(payload, due_ms + _RESTS_AT_MOST_S * 1000)
        self.at(due_ms + (rests_s + 1) * 1000, self._frame)
        return [self._message(Stream.MOTION, seq, payload)]

    def _rests(self) -> int:
        """Seconds without a frame from now on: of a model that rests, when nothing has moved for a while."""
        if self._sensing is None or not self._sensing.model.rests or not isinstance(self.track, Track):
            return 0
        still = self.track.still
        self._still_s = self._still_s + 1 if still else 0
        if self._still_s < _RESTS_AFTER_S:
            return 0
        return min(still // FS_HZ, _RESTS_AT_MOST_S)

    def _reading(self, due_ms: int) -> list[Message]:
        self.at(due_ms + int(self.setup.vitals_s * 1000), self._reading)
        seq = next(self._seq[Stream.VITALS])
        reading = {"t": due_ms, "boot": self.boot, "seq": seq, **self._vitals.read(due_ms, self._effort)}
        return [self._message(Stream.VITALS, seq, encode_json(msgspec.convert(reading, Vitals)))]


def effort(acc: Counts) -> float:
    """How much somebody moves, 0 at rest to 1 at a brisk walk, from ``(n, 3)`` counts of :data:`LSB_G`."""
    length = np.sqrt(np.einsum("ij,ij->i", acc, acc, dtype=np.float64)) * LSB_G
    return float(min(1.0, np.abs(length - 1.0).mean() / 0.3))
