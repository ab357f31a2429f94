"""What a motion frame costs from the journal to lines for the store: processor and writer, by the number of devices.

The hot path that this protects: blocks of received messages, decode, order, ring, fall bank, sensors at fault, links,
ten-second points, the journal `points`, lines built. Everything is the real thing but the gateway, whose journal is
written beforehand, and the store, which builds its lines and drops them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

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
_LSB_G, _LSB_DPS = 0.001, 0.1


class Motion:
    """Frames of 50 samples for any number of wearers: everyday motion, and now and then an impact."""

    def __init__(self, *, gyroscope: bool, triggers_per_hour: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._share = triggers_per_hour / 3600.0
        self._gyroscope = gyroscope
        everyday = _everyday(self._rng)
        self._pool = np.concatenate([everyday, _struck(everyday, self._rng)])

    def bodies(self, devices: int, second: int) -> NDArray[np.uint8]:
        """``(devices, L)`` payloads but for t, boot and seq."""
        choice = (np.arange(devices) * 7 + second // 8) % _VARIANTS
        struck = np.flatnonzero(self._rng.random(devices) < self._share)
        choice[struck] += _VARIANTS
        return self._encoded()[choice]

    def _encoded(self) -> NDArray[np.uint8]:
        if not hasattr(self, "_bytes"):
            made = []
            for sample in self._pool:
                acc = np.rint(sample[:, :3] / _LSB_G).astype(np.int16)
                gyr = np.rint(sample[:, 3:] / _LSB_DPS).astype(np.int16) if self._gyroscope else None
                made.append(motion_payload(0, 0, 0, motion_body(acc, gyr), gyro=self._gyroscope))
            self._bytes = np.frombuffer(b"".join(made), np.uint8).reshape(len(made), -1)
        return self._bytes


def _everyday(rng: np.random.Generator) -> NDArray[np.float32]:
    """``(_VARIANTS, 50, 6)``: a second of standing, sitting or strolling each, under 1.5 g."""
    t = np.arange(FS_HZ) / FS_HZ
    direction = rng.normal(size=(_VARIANTS, 1, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    stride = rng.uniform(0, 0.25, (_VARIANTS, 1)) * np.sin(2 * np.pi * (1.8 * t + rng.random((_VARIANTS, 1))))
    out = np.empty((_VARIANTS, FS_HZ, 6), np.float32)
    out[:, :, :3] = direction * (1 + stride[:, :, None]) + rng.normal(0, 0.01, (_VARIANTS, FS_HZ, 3))
    out[:, :, 3:] = rng.normal(0, 15, (_VARIANTS, FS_HZ, 3))
    return out


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


def blocks(motion: Motion, devices: int, second: int, commit_ms: int = _COMMIT_MS) -> Iterator[bytes]:
    """The records of one second, one for each commit: the devices' frames come evenly spread."""
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
            yield _block(_START_MS + (second + 1) * 1000 + start_ms + commit_ms - 1, wide[here], topics.shape[1])


def _put(payload: NDArray[np.uint8], at: int, values: NDArray[Any]) -> None:
    payload[:, at : at + values.dtype.itemsize] = values.view(np.uint8).reshape(len(values), -1)


def _block(recv_ms: int, wide: NDArray[np.uint8], topic_bytes: int) -> bytes:
    m, stride = wide.shape
    at = (np.arange(m) * stride + _BETWEEN).astype("<u4")
    end = at - _BETWEEN + stride
    columns = (at, at + topic_bytes, at + topic_bytes, end)
    return pack_block(RawBlock(recv_ms, *(c.astype("<u4") for c in columns), np.zeros(m, np.uint8), wide.reshape(-1)))


def measure(
    devices: int, *, seconds: int = 20, gyroscope: bool = True, triggers_per_hour: float = 60.0, seed: int = 0,
    turn_ms: int = 0, warm_up: int = 12, profile: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """CPU of processor and writer for ``seconds`` of ``devices`` frames a second, after a time to warm up."""
    motion = Motion(gyroscope=gyroscope, triggers_per_hour=triggers_per_hour, seed=seed)
    with tempfile.TemporaryDirectory(prefix="carecircle-bench-") as name:
        folder = Path(name)
        raw = JournalWriter(
            folder / "journal" / "raw", consumers=("processor",), segment_bytes=256 << 20, reserve_bytes=0
        )
        pipeline = Pipeline(FallBank(), FallBank(), lanes=lanes_of())
        owners = {
            device_name(i): Owner(f"p{i:06d}", "lianhu.a.b", "wrist" if i % 2 else "waist") for i in range(devices)
        }
        known = iter([owners])
        wall = [_START_MS]
        processor = Processor(
            ProcessorSettings(folder / "journal", folder / "quarantine", folder / "state", checkpoint_every_s=1e9),
            pipeline,
            owners=lambda: next(known, None),
            wall_ms=lambda: wall[0],
        )
        store = DiscardStore()
        writer = open_writer(store, folder, host="bench")
        spent = {"processor": 0.0, "writer": 0.0}
        frames = 0
        for second in range(warm_up + seconds):
            turns: list[list[bytes]] = [[]]
            for at, record in enumerate(blocks(motion, devices, second)):
                if turn_ms and at and at * _COMMIT_MS % turn_ms == 0:
                    turns.append([])
                turns[-1].append(record)
            for records in turns:
                for record in records:
                    raw.append([record])
                    raw.commit()
                wall[0] = _START_MS + second * 1000
                if profile is not None and second >= warm_up:
                    profile.enable()
                start_s = time.process_time()
                while processor.step(0.0):
                    pass
                middle_s = time.process_time()
                while writer.step(wall[0]):
                    pass
                end_s = time.process_time()
                if profile is not None:
                    profile.disable()
                if second >= warm_up:
                    spent["processor"] += middle_s - start_s
                    spent["writer"] += end_s - middle_s
            if second >= warm_up:
                frames += devices
            raw.drop_consumed()
        start_s = time.process_time()
        processor.save_checkpoint()
        checkpoint_s = time.process_time() - start_s
        size = (folder / "state" / "processor.checkpoint").stat().st_size
        processor.close()
        writer.close()
        raw.close()
    total = sum(spent.values())
    return {
        "devices": devices,
        "frames": frames,
        "us_per_frame": {name: round(cpu_s / frames * 1e6, 2) for name, cpu_s in spent.items()},
        "frames_per_cpu_s": round(frames / total),
        "lines": store.lines,
        "counts": dict(pipeline.counts),
        "checkpoint": {"cpu_s": round(checkpoint_s, 3), "mb": round(size / 1e6, 1)},
    }


def run() -> dict[str, Any]:
    """At 1,000, 5,000, 18,000 and 50,000 devices."""
    threadpool_limits(limits=1, user_api="blas")  # as the processor does
    found = [measure(devices) for devices in (1_000, 5_000, 18_000, 50_000)]
    return {str(one["devices"]): one for one in found}


if __name__ == "__main__":
    import json
    import sys

    threadpool_limits(limits=1, user_api="blas")
    arguments = dict(word.split("=") for word in sys.argv[1:])
    print(json.dumps(measure(**{name: int(value) for name, value in arguments.items()}), indent=1))
