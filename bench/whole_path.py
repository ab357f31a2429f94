"""What a motion frame costs from the journal to lines for the store: processor and writer, by the number of devices.

The hot path that this protects: blocks of received messages, decode, order, ring, fall bank, sensors at fault, links,
ten-second points, the journal `points`, lines built. Everything is the real thing but the gateway, whose journal is
written beforehand, and the store, which builds its lines and drops them.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.detect import everyday_seconds
from detectors.fall.bank import FallBank
from detectors.fall.ring import FS_HZ
from firmware_sim.frames import motion_body, motion_payload
from ingest.devices import Owner
from ingest.lanes import lanes_of
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from ingest.writer import open_writer
from journal import JournalWriter
from store.discard import DiscardStore
from telemetry.blocks import RawBlock, pack_block
from telemetry.topics import Stream, topic

_START_MS = 1_760_000_000_000
#: Distinct seconds of everyday motion that the wearers draw from; each is there once more with an impact in it.
_VARIANTS = 512
#: What stands between two messages on the wire: fixed header, length, packet id, properties.
_BETWEEN = 8
_FIRST_BOOT = 0x20000000
#: A gateway commits this often.
_COMMIT_MS = 20
#: And the processor takes together what came within a quarter of a second, up to four times that where it is little.
_TURN_MS, _FEW_WAIT, _FEW_BYTES = 250, 4, 3 << 19
_LSB_G, _LSB_DPS = 0.001, 0.1
#: So many are measured at least: of a thousand devices twenty seconds are over before the machine has settled.
_LEAST_FRAMES = 100_000


class Motion:
    """Frames of 50 samples for any number of wearers: everyday motion, and now and then an impact."""

    def __init__(self, *, gyroscope: bool, triggers_per_hour: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._share = triggers_per_hour / 3600.0
        everyday = everyday_seconds(_VARIANTS, self._rng)
        encoded = [_encoded(sample, gyroscope) for sample in (*everyday, *_struck(everyday, self._rng))]
        self._bytes = np.frombuffer(b"".join(encoded), np.uint8).reshape(len(encoded), -1)

    def bodies(self, devices: int, second: int) -> NDArray[np.uint8]:
        """``(devices, L)`` payloads but for t, boot and seq."""
        choice = (np.arange(devices) * 7 + second // 8) % _VARIANTS
        choice[self._rng.random(devices) < self._share] += _VARIANTS
        return self._bytes[choice]


def _encoded(sample: NDArray[np.float32], gyroscope: bool) -> bytes:
    acc = np.rint(sample[:, :3] / _LSB_G).astype(np.int16)
    gyr = np.rint(sample[:, 3:] / _LSB_DPS).astype(np.int16) if gyroscope else None
    return motion_payload(0, 0, 0, motion_body(acc, gyr), gyro=gyroscope)


def _struck(everyday: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The same seconds with an impact of 1.7 to 6 g in each, shaped like a step, a knock, a flop into a chair."""
    out = everyday.copy()
    for one in out:
        at, width = int(rng.integers(0, FS_HZ)), int(rng.integers(1, 4))
        one[at : at + width, :3] *= rng.uniform(1.7, 6.0)
        one[at:, 3:] *= 6.0
    return out


def device_name(index: int) -> str:
    """Of wearer number ``index``."""
    return f"w{index:06d}"


def blocks(motion: Motion, devices: int, second: int, commit_ms: int = _COMMIT_MS) -> Iterator[tuple[int, bytes]]:
    """The records of one second, one for each commit, and when they came in it: the frames come evenly spread."""
    bodies = motion.bodies(devices, second)
    topics = np.frombuffer(
        b"".join(topic(device_name(i), Stream.MOTION).encode() for i in range(devices)), np.uint8
    ).reshape(devices, -1)
    t_ms = _START_MS + second * 1000 + np.arange(devices) * 1000 // devices
    wide = np.zeros((devices, _BETWEEN + topics.shape[1] + bodies.shape[1]), np.uint8)
    wide[:, _BETWEEN : _BETWEEN + topics.shape[1]] = topics
    payload = wide[:, _BETWEEN + topics.shape[1] :]
    payload[:] = bodies
    _put(payload, 4, t_ms.astype(">u8"))
    _put(payload, 18, (_FIRST_BOOT + np.arange(devices)).astype(">u4"))
    _put(payload, 27, np.full(devices, second).astype(">u8"))
    for start_ms in range(0, 1000, commit_ms):
        here = np.flatnonzero((t_ms - _START_MS) % 1000 // commit_ms == start_ms // commit_ms)
        if len(here):
            yield (
                start_ms,
                _block(_START_MS + (second + 1) * 1000 + start_ms + commit_ms - 1, wide[here], topics.shape[1]),
            )


def _put(payload: NDArray[np.uint8], at: int, values: NDArray[Any]) -> None:
    payload[:, at : at + values.dtype.itemsize] = values.view(np.uint8).reshape(len(values), -1)


def _block(recv_ms: int, wide: NDArray[np.uint8], topic_bytes: int) -> bytes:
    m, stride = wide.shape
    at = (np.arange(m) * stride + _BETWEEN).astype(np.uint32)
    topic_end = at + np.uint32(topic_bytes)
    end = at + np.uint32(stride - _BETWEEN)
    return pack_block(RawBlock(recv_ms, at, topic_end, topic_end, end, np.zeros(m, np.uint8), wide.reshape(-1)))


class _Path:
    """Journal, processor and writer in a folder, and the CPU seconds that they take."""

    def __init__(self, folder: Path, devices: int) -> None:
        journals = folder / "journal"
        self.raw = JournalWriter(
            journals / "raw", consumers=("processor",), segment_bytes=256 << 20, reserve_bytes=0
        )  # fmt: skip
        self.pipeline = Pipeline(FallBank(), FallBank(), lanes=lanes_of())
        places = ("waist", "wrist")
        owners = {device_name(i): Owner(f"p{i:06d}", "lianhu.a.b", places[i % 2]) for i in range(devices)}
        known = iter([owners])
        self.now_ms = _START_MS
        self.checkpoint = folder / "state" / "processor.checkpoint"
        self.processor = Processor(
            ProcessorSettings(journals, folder / "quarantine", folder / "state", checkpoint_every_s=1e9),
            self.pipeline,
            owners=lambda: next(known, None),
            wall_ms=lambda: self.now_ms,
        )
        self.store = DiscardStore()
        self.writer = open_writer(self.store, folder, host="bench")
        self.spent_s = {"processor": 0.0, "writer": 0.0}

    def turn(self, records: list[bytes]) -> None:
        """What the gateway has committed meanwhile goes all the way."""
        for record in records:
            self.raw.append([record])
            self.raw.commit()
        begun_s = time.process_time()
        while self.processor.step(0.0):
            pass
        processed_s = time.process_time()
        while self.writer.step(self.now_ms):
            pass
        self.spent_s["processor"] += processed_s - begun_s
        self.spent_s["writer"] += time.process_time() - processed_s
        self.raw.drop_consumed()

    def save(self) -> dict[str, float]:
        """What a checkpoint costs."""
        begun_s = time.process_time()
        self.processor.save_checkpoint()
        cpu_s = time.process_time() - begun_s
        return {"cpu_s": round(cpu_s, 3), "mb": round(self.checkpoint.stat().st_size / 1e6, 1)}

    def close(self) -> None:
        """Give the files back."""
        self.processor.close()
        self.writer.close()
        self.raw.close()


def measure(
    devices: int, *, seconds: int = 20, gyroscope: bool = True, triggers_per_hour: float = 60.0, seed: int = 0,
    turn_ms: int | None = None, warm_up: int = 12, profile: cProfile.Profile | None = None,
) -> dict[str, Any]:  # fmt: skip
    """CPU of processor and writer for ``seconds`` of ``devices`` frames a second, after a time to warm up.

    The gateway commits every 20 ms, the processor takes what came within ``turn_ms`` together, None: as it does it by
    itself.
    """
    motion = Motion(gyroscope=gyroscope, triggers_per_hour=triggers_per_hour, seed=seed)
    with tempfile.TemporaryDirectory(prefix="carecircle-bench-") as name:
        path = _Path(Path(name), devices)
        waiting: list[bytes] = []
        since_ms = turns = 0
        for second in range(warm_up + seconds):
            if second == warm_up:
                path.spent_s = dict.fromkeys(path.spent_s, 0.0)
                lines = path.store.lines
            path.now_ms = _START_MS + second * 1000
            due: list[list[bytes]] = []
            for at_ms, record in blocks(motion, devices, second):
                if waiting and _is_due(second * 1000 + at_ms - since_ms, waiting, turn_ms):
                    due.append(waiting)
                    waiting, since_ms = [], second * 1000 + at_ms
                waiting.append(record)
            if profile is not None and second >= warm_up:
                profile.enable()
            for records in due:
                path.turn(records)
            turns += len(due) * (second >= warm_up)
            if profile is not None:
                profile.disable()
        checkpoint = path.save()
        path.close()
    frames = devices * seconds
    spent_s = path.spent_s
    return {
        "devices": devices,
        "frames": frames,
        "frames_together": round(frames / turns),
        "us_per_frame": {role: round(cpu_s / frames * 1e6, 2) for role, cpu_s in spent_s.items()},
        "frames_per_cpu_s": round(frames / sum(spent_s.values())),
        "lines": path.store.lines - lines,
        "detections": path.pipeline.counts["detections"],
        "checkpoint": checkpoint,
    }


def _is_due(waited_ms: int, waiting: list[bytes], turn_ms: int | None) -> bool:
    """Whether the processor goes on with what came: as :meth:`ingest.processor.Processor.run` does it, or as told."""
    if turn_ms is None:
        turn_ms = _TURN_MS * (_FEW_WAIT if sum(map(len, waiting)) < _FEW_BYTES else 1)
    return waited_ms >= turn_ms


#: Parts of the way: file and function.
_PARTS = {
    "decode_and_order": ("pipeline.py", "feed_records"),
    "fall_bank": ("bank.py", "update"),
    "fall_bank_impacts": ("cascade.py", "take"),
    "fall_bank_second_stage": ("model.py", "second"),
    "motion_sensors": ("motion_sensor.py", "update"),
    "ten_second_points": ("summary.py", "add"),
    "links": ("lanes.py", "step"),
    "journal_points": ("processor.py", "_emit"),
    "writer": ("writer.py", "step"),
}


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """The parts' shares of the time, in percent, by a profile of :func:`measure`; some are parts of others."""
    taken: dict[tuple[str, str], float] = {}
    whole = 0.0
    for entry in profile.getstats():
        if isinstance(entry.code, str):
            continue  # what is built in
        key = (Path(entry.code.co_filename).name, entry.code.co_name)
        taken[key] = max(taken.get(key, 0.0), entry.totaltime)
        if key in (("processor.py", "step"), ("writer.py", "step")):
            whole += entry.totaltime
    return {part: round(100.0 * taken.get(key, 0.0) / whole, 1) for part, key in _PARTS.items()}


def _alone(devices: int, seconds: int) -> dict[str, Any]:
    threadpool_limits(limits=1, user_api="blas")  # as the processor does
    return measure(devices, seconds=seconds)


def _median(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The round in the middle, and what all of them gave."""
    ordered = sorted(results, key=lambda one: float(one["frames_per_cpu_s"]))
    return ordered[len(ordered) // 2] | {"rounds": [one["frames_per_cpu_s"] for one in results]}


def run(*, seconds: int = 20, rounds: int = 3) -> dict[str, Any]:
    """At 1,000, 5,000, 18,000 and 50,000 devices as they come; flat out in large turns; where the time goes.

    The numbers of devices are measured in turns, each in a process of its own: what fifty thousand leave behind makes
    a thousand dearer. Of each the median round counts. ``flatness`` is the cost of a frame at each, as a multiple of
    the least.
    """
    threadpool_limits(limits=1, user_api="blas")  # as the processor does
    measured: dict[int, list[dict[str, Any]]] = {devices: [] for devices in (1_000, 5_000, 18_000, 50_000)}
    for _ in range(rounds):
        for devices, results in measured.items():
            with get_context("spawn").Pool(1) as apart:
                results.append(apart.apply(_alone, (devices, max(seconds, _LEAST_FRAMES // devices))))
    by_devices = {devices: _median(results) for devices, results in measured.items()}
    most = max(one["frames_per_cpu_s"] for one in by_devices.values())
    profile = cProfile.Profile()
    measure(18_000, seconds=seconds // 2, profile=profile)
    return {
        "devices": {str(devices): one for devices, one in by_devices.items()},
        "flatness": {str(devices): round(most / one["frames_per_cpu_s"], 2) for devices, one in by_devices.items()},
        "flat_out": measure(18_000, seconds=seconds, turn_ms=1000),
        "shares_pct": shares(profile),
    }


def main(arguments: list[str]) -> None:
    """The command line: ``python -m bench.whole_path [DEVICES]``."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.whole_path",
        description=f"{__doc__}\nA part of `carecircle bench ingest`, which also measures the gateway. Figures are CPU"
        " time (user and system) of this process;\nnothing else should run on the machine.",
        epilog="example: python -m bench.whole_path 18000\n  prints as JSON frames_per_cpu_s (of both), us_per_frame"
        " of each, what a checkpoint costs",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "devices", nargs="?", type=int, metavar="DEVICES",
        help="wearables that send a frame a second each; without it 1,000, 5,000, 18,000 and 50,000 in turns, 18,000 in"
        " large turns, and where the time goes, which takes minutes",
    )  # fmt: skip
    devices = parser.parse_args(arguments).devices
    if devices is not None and devices < 1:
        parser.error(f"DEVICES is {devices}: give 1 or more")
    threadpool_limits(limits=1, user_api="blas")
    print(json.dumps(run() if devices is None else measure(devices), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
