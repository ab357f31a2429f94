"""The devices of a scenario, made from its seed and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from firmware_sim.day_plan import DayPlan
from firmware_sim.device import Device, Identity, Setup, SosButton
from firmware_sim.errors import NoRecordingsError, SimulationError
from firmware_sim.households.devices import build_homes
from firmware_sim.illness import fall_ill
from firmware_sim.models import Sensing, draw_model
from firmware_sim.motion import FS_HZ, MotionSource
from firmware_sim.people import Aftermath, draw_aftermath, draw_traits
from firmware_sim.pool import MotionPool, PooledWearer
from firmware_sim.recordings import Recordings
from firmware_sim.scenario import Scenario, members, plan
from firmware_sim.synthetic import Synthetic
from firmware_sim.track import Track
from firmware_sim.vitals import VitalSigns, generator
from firmware_sim.wearer import Wearer

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


def motion_pool(scenario: Scenario, source: MotionSource, seed: int) -> MotionPool | None:
    """What the wearers of ``scenario`` share; None where each moves for themselves."""
    if scenario.wearers.motion != "pool":
        return None
    return MotionPool(source, seed, gyroscope=scenario.wearers.gyroscope, people=scenario.people)


def build_devices(
    scenario: Scenario, source: MotionSource, seed: int, start_ms: int, pool: MotionPool | None = None
) -> list[Device]:
    """The devices of ``scenario``; motion starts at ``start_ms`` (epoch ms), each wearer's within a second of it.

    Who does not fall moves as ``pool`` has it, where there is one.

    Raises:
        SimulationError: two falls of one wearer stand too close together.
    """
    happens = plan(scenario, seed)
    ill = {} if scenario.illness is None else fall_ill(scenario.illness, scenario.wearers.count, seed, start_ms)
    setup = Setup(
        heartbeat_s=scenario.heartbeat_s,
        vitals_s=scenario.vitals.every_s,
        room=max(1, int(scenario.buffer_s)),
        gyroscope=scenario.wearers.gyroscope,
        answers_prompts=scenario.wearers.answers_prompts,
        motion=scenario.wearers.motion != "none",
    )
    devices: list[Device] = []
    # A connection of one's own has no lane of frames: such a wearer encodes the pool's motion as any other.
    pooled = PooledWearer if scenario.connection.kind == "shared" else Wearer
    buttons = 0
    for index, member in enumerate(members(scenario)):
        # Another start is another boot: else a second run would repeat the first one's message keys.
        boot = int(np.random.default_rng([seed, index, 3, start_ms]).integers(2**32))
        identity = Identity(member.device, member.person, member.placement, boot)
        reactions = np.random.default_rng([seed, index, 4])
        if member.kind == "wearable":
            falls_s = [at_s for who, at_s in happens.falls if who == index]
            # Generators of their own: what the broker makes a device do must not change how its wearer moves.
            moves, signs = np.random.default_rng([seed, index, 1]), generator(seed, index)
            phase_ms = int(moves.integers(1000))  # else all would publish in the same millisecond
            vitals = VitalSigns(
                signs,
                int(scenario.utc_offset_h * 3600),
                illness=[ill[index]] if index in ill else (),
                artefacts=scenario.vitals.artefacts,
            )
            if pool is not None and not falls_s:
                devices.append(
                    pooled(
                        identity,
                        setup,
                        reactions,
                        origin_ms=start_ms + phase_ms,
                        track=pool.draw(member.placement, moves),
                        vitals=vitals,
                    )
                )
                continue
            samples = [round((at_s * 1000 - phase_ms) / 1000 * FS_HZ) for at_s in falls_s]
            try:
                track = _track(scenario, source, [seed, index], member.placement, samples, moves, start_ms + phase_ms)
            except SimulationError as error:
                raise SimulationError(f"{member.device}: {error}") from None
            sensing = None
            if scenario.models:
                makes = np.random.default_rng([seed, index, 8])
                sensing = Sensing(draw_model(scenario.models, makes), makes)
            devices.append(
                Wearer(
                    identity,
                    setup,
                    reactions,
                    origin_ms=start_ms + phase_ms,
                    track=track,
                    vitals=vitals,
                    aftermaths=track.aftermaths,
                    sensing=sensing,
                )
            )
        elif member.kind == "button":
            presses_ms = [start_ms + int(at_s * 1000) for who, at_s in happens.sos if who == buttons]
            buttons += 1
            devices.append(SosButton(identity, setup, reactions, presses_ms=presses_ms, start_ms=start_ms))
    if scenario.homes is not None:
        devices += build_homes(scenario, seed, start_ms, setup, [one for one in devices if isinstance(one, Wearer)])
    return devices


def _track(
    scenario: Scenario,
    source: MotionSource,
    seed: list[int],
    placement: str,
    samples: list[int],
    moves: np.random.Generator,
    origin_ms: int,
) -> Track:
    """The motion of one wearer who falls at ``samples``; ``seed`` is that of the person."""
    people = scenario.people
    if people is None:
        return Track(source.wearer(placement, moves, falls=bool(samples)), samples, moves, scenario.wearers.lies_s)
    lives = np.random.default_rng([*seed, 6])
    traits = draw_traits(people, lives)
    diary = None
    if people.day_plan:
        offset_s = int(scenario.utc_offset_h * 3600)
        diary = DayPlan(traits, (*seed, 7), origin_ms=origin_ms, utc_offset_s=offset_s)
    ends: list[Aftermath] = [draw_aftermath(people, lives) for _ in samples]
    repertoire = source.wearer(placement, moves, falls=bool(samples), traits=traits)
    return Track(repertoire, samples, moves, diary=diary, aftermaths=ends)
