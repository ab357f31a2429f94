"""The devices of a scenario, made from its seed and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from firmware_sim.device import Device, Setup, SosButton, Wearer
from firmware_sim.errors import NoRecordingsError, SimulationError
from firmware_sim.motion import FS_HZ, MotionSource, Track
from firmware_sim.recordings import Recordings
from firmware_sim.scenario import Member, Scenario, members, plan
from firmware_sim.synthetic import Synthetic
from firmware_sim.vitals import VitalSigns

Source = Literal["auto", "recordings", "synthetic"]


def motion_source(source: Source, seed: int, recordings: Path | None, *, activities: str = "everyday") -> MotionSource:
    """The motion that ``source`` asks for; ``auto`` takes recordings where ``recordings`` has them.

    Raises:
        NoRecordingsError: recordings were asked for and are not there.
    """
    if source == "synthetic":
        return Synthetic(seed)
    try:
        if recordings is None:
            raise NoRecordingsError(
                "no folder of recordings was named: set CARECIRCLE_DATA or use the synthetic source"
            )
        return Recordings(recordings, activities=activities)
    except NoRecordingsError:
        if source == "recordings":
            raise
        return Synthetic(seed)


def build_devices(scenario: Scenario, source: MotionSource, seed: int, start_ms: int) -> list[Device]:
    """The devices of ``scenario``; motion starts at ``start_ms`` (epoch ms), each wearer's within a second of it.

    Raises:
        SimulationError: two falls of one wearer stand too close together.
    """
    happens = plan(scenario, seed)
    setup = Setup(
        heartbeat_s=scenario.heartbeat_s,
        vitals_s=scenario.vitals.every_s,
        room=max(1, int(scenario.buffer_s)),
        gyroscope=scenario.wearers.gyroscope,
        answers_prompts=scenario.wearers.answers_prompts,
    )
    devices: list[Device] = []
    buttons = 0
    for index, member in enumerate(members(scenario)):
        rng = np.random.default_rng([seed, index, 1])
        if member.kind == "wearable":
            falls_s = [at_s for who, at_s in happens.falls if who == index]
            devices.append(_wearer(scenario, source, member, setup, falls_s, start_ms, rng))
        else:
            presses_ms = [start_ms + int(at_s * 1000) for who, at_s in happens.sos if who == buttons]
            buttons += 1
            devices.append(
                SosButton(
                    member.device,
                    member.person,
                    member.placement,
                    setup,
                    rng,
                    presses_ms=presses_ms,
                    start_ms=start_ms,
                )
            )
    return devices


def _wearer(
    scenario: Scenario,
    source: MotionSource,
    member: Member,
    setup: Setup,
    falls_s: list[float],
    start_ms: int,
    rng: np.random.Generator,
) -> Wearer:
    phase_ms = int(rng.integers(1000))  # else all would publish in the same millisecond
    samples = [round((at_s * 1000 - phase_ms) / 1000 * FS_HZ) for at_s in falls_s]
    repertoire = source.wearer(member.placement, rng, falls=bool(samples))
    try:
        track = Track(repertoire, samples, rng, scenario.wearers.lies_s)
    except SimulationError as error:
        raise SimulationError(f"{member.device}: {error}") from None
    return Wearer(
        member.device,
        member.person,
        member.placement,
        setup,
        rng,
        origin_ms=start_ms + phase_ms,
        track=track,
        vitals=VitalSigns(rng, int(scenario.utc_offset_h * 3600)),
    )
