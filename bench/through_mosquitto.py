"""Frames that wait in a real mosquitto: how fast the whole path takes them, and how fast `mosquitto_sub` counts them.

Protects the promise that the broker is what limits, not we. Gateway, processor and writer are processes over journals
with real fsync; the store builds its lines and drops them. Both sides are held (SIGSTOP) while the frames are
published, so that neither what a start takes nor the publisher is in the time; the clock runs from letting them go
until the last point is with the store, or `mosquitto_sub` has counted the last frame and ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.broker import mosquitto, program
from bench.children import PROCESSES, child, cpu_s
from bench.waiting import BenchError
from bench.whole_path import Motion, device_name
from carecircle.ports import free_port
from firmware_sim.frames import BOOT_AT, SEQ_AT, T_AT
from ingest.mqtt.wire import varint
from telemetry.topics import Stream, topic

#: Whoever is measured has taken this many seconds' frames before, and been let settle.
_WARM_UP_S = 2
_SETTLE_S = 1.0
_WITHIN_S = 120.0
_POLL_S = 0.005
_MIDS = 65_535
_FIRST_BOOT = 0x20000000
_NAP_S = 0.05
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"


def run(
    *, devices: int = 8_000, seconds: int = 60, rounds: int = 3, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """``seconds`` frames of each of ``devices`` wait; ours and `mosquitto_sub` take them in turns, ``rounds`` times.

    Returns:
        ``ours_per_s``, ``mosquitto_sub_per_s`` (medians, frames a second by the clock), ``ratio``, ``frames``,
        ``rounds`` (both figures and the ratio of each), ``us_per_frame`` (CPU of each process, median). Where a
        program is missing the figures are None and ``not_measured`` says which.

    Raises:
        BenchError: somebody did not take everything in time.
    """
    missing = [name for name in ("mosquitto", "mosquitto_sub") if program(name) is None]
    if "mosquitto" in missing:
        return {"ours_per_s": None, "mosquitto_sub_per_s": None, "ratio": None, "not_measured": _missing(missing)}
    took: list[tuple[float, float | None]] = []
    used: dict[str, list[float]] = {}
    frames = devices * seconds
    for number in range(rounds):
        ours_s, costs_s = _measure(_Ours, devices, seconds)
        sub_s = None
        if not missing:
            sub_s, sub_costs_s = _measure(_MosquittoSub, devices, seconds)
            costs_s |= {"mosquitto_sub": sub_costs_s["mosquitto_sub"]}
        took.append((ours_s, sub_s))
        for name, cost_s in costs_s.items():
            used.setdefault(name, []).append(cost_s)
        others = "not installed" if sub_s is None else f"{frames / sub_s:,.0f}"
        say(f"mosquitto {number + 1}/{rounds}: ours {frames / ours_s:,.0f} frames a second, mosquitto_sub {others}")
    result = summed_up(frames, took)
    result["us_per_frame"] = {name: round(statistics.median(all_s) / frames * 1e6, 2) for name, all_s in used.items()}
    return result | ({"not_measured": _missing(missing)} if missing else {})


def summed_up(frames: int, took: list[tuple[float, float | None]]) -> dict[str, Any]:
    """The figures of rounds in which ours and `mosquitto_sub` (None: not there) took so many seconds."""
    ours = [round(frames / ours_s) for ours_s, _ in took]
    theirs = [round(frames / sub_s) for _, sub_s in took if sub_s is not None]
    ratios = [round(sub_s / ours_s, 2) for ours_s, sub_s in took if sub_s is not None]
    return {
        "ours_per_s": round(statistics.median(ours)),
        "mosquitto_sub_per_s": round(statistics.median(theirs)) if theirs else None,
        "ratio": round(statistics.median(ratios), 2) if ratios else None,
        "frames": frames,
        "rounds": {"ours_per_s": ours, "mosquitto_sub_per_s": theirs, "ratio": ratios},
    }


def _missing(programs: list[str]) -> str:
    return f"{' and '.join(programs)} not installed: see tools/install_servers.sh"


def _measure(side: type[_Ours] | type[_MosquittoSub], devices: int, seconds: int) -> tuple[float, dict[str, float]]:
    """Seconds until everything was taken, and the CPU seconds of each process meanwhile."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carecircle-bench-")))
        port = free_port()
        broker = psutil.Process(stack.enter_context(mosquitto(folder, port)))
        taker = side(stack, folder, port, devices, devices * (seconds + _WARM_UP_S))
        publisher = stack.enter_context(_publisher(port))
        begin_ms = time.time_ns() // 1_000_000 - (seconds + _WARM_UP_S) * 1000
        motion = Motion(gyroscope=True, triggers_per_hour=60.0, seed=0)
        for second in range(_WARM_UP_S):
            _publish(publisher, _packets(motion, devices, second, begin_ms))
        taker.wait_for(devices * _WARM_UP_S)
        time.sleep(_SETTLE_S)
        taker.receiver.suspend()
        for second in range(_WARM_UP_S, _WARM_UP_S + seconds):
            _publish(publisher, _packets(motion, devices, second, begin_ms))
        time.sleep(_SETTLE_S)
        watched = {**taker.processes, "broker": broker}
        before_s = {name: cpu_s(process) for name, process in watched.items()}
        begun_s = time.monotonic()
        taker.receiver.resume()
        ended_s = taker.wait_for(devices * (_WARM_UP_S + seconds))
        return ended_s - begun_s, {name: cpu_s(process) - before_s[name] for name, process in watched.items()}


# ---- the two sides


class _Ours:
    """Gateway, processor and writer, a process each."""

    def __init__(self, stack: ExitStack, folder: Path, port: int, devices: int, _frames: int) -> None:
        self._frames = PROCESSES.Value("q", 0)
        self._written_s = PROCESSES.Value("d", 0.0)
        self.receiver = stack.enter_context(child(_gateway, port, str(folder)))
        _wait(lambda: (folder / "state" / "gateway.subscribed").exists(), "the gateway to subscribe")
        processor = stack.enter_context(child(_processor, str(folder), devices, self._frames))
        _wait(lambda: (folder / "journal" / "detections").exists(), "the processor to start")
        writer = stack.enter_context(child(_writer, str(folder), self._written_s))
        _wait(lambda: self._written_s.value > 0, "the writer to start")
        self.processes = {"gateway": self.receiver, "processor": processor, "writer": writer}
        self._before = self._frames.value

    def wait_for(self, frames: int) -> float:
        """When the points of so many frames were with the store."""
        _wait(lambda: self._frames.value - self._before >= frames, f"the processor to take {frames} frames")
        processed_s = time.monotonic()
        _wait(lambda: self._written_s.value > processed_s, "the writer to write everything")
        return float(self._written_s.value)


class _MosquittoSub:
    """`mosquitto_sub` in a persistent session, a character for each message to nowhere."""

    def __init__(self, stack: ExitStack, _folder: Path, port: int, _devices: int, frames: int) -> None:
        path = program("mosquitto_sub")
        assert path is not None
        ordinary = [path, "-p", str(port), "-i", "bench-sub", "-c", "-q", "1", "-t", "care/v1/#"]
        subprocess.run([*ordinary, "-E"], check=True, timeout=10)  # from now on there is a session
        self._process = subprocess.Popen([*ordinary, "-F", ".", "-C", str(frames)], stdout=subprocess.DEVNULL)
        stack.callback(self._process.wait)
        stack.callback(self._process.kill)
        self._frames = frames
        self.receiver = psutil.Process(self._process.pid)
        self.processes = {"mosquitto_sub": self.receiver}

    def wait_for(self, frames: int) -> float:
        """When it had counted its last frame; before, it does not say how many it has."""
        if frames < self._frames:
            time.sleep(_SETTLE_S)
            return time.monotonic()
        # WNOWAIT: what it used can be asked for until somebody takes its exit status
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        _wait(lambda: os.waitid(os.P_PID, self._process.pid, ended) is not None, f"mosquitto_sub to count {frames}")
        return time.monotonic()


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _WITHIN_S
    while not ready():
        if time.monotonic() > deadline_s:
            raise BenchError(f"waited {_WITHIN_S:.0f} s in vain for {what}")
        time.sleep(_POLL_S)


def _stopped() -> threading.Event:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def _gateway(port: int, folder: str) -> None:
    from ingest.gateway import Gateway
    from ingest.gateway_settings import GatewaySettings

    home = Path(folder)
    Gateway(GatewaySettings(port=port), home / "journal", home / "quarantine", home / "state").run(_stopped())


def _processor(folder: str, devices: int, frames: Synchronized[int]) -> None:
    """As the role does, but that it tells how many messages are done."""
    from threadpoolctl import threadpool_limits

    from detectors.fall.bank import FallBank
    from ingest.devices import Owner
    from ingest.lanes import lanes_of
    from ingest.pipeline import Pipeline
    from ingest.processor import Processor, ProcessorSettings

    threadpool_limits(limits=1, user_api="blas")
    home, stop = Path(folder), _stopped()
    settings = ProcessorSettings(home / "journal", home / "quarantine", home / "state")
    owners = {device_name(i): Owner(f"p{i:06d}", "lianhu.a.b", ("waist", "wrist")[i % 2]) for i in range(devices)}
    known = iter([owners])
    pipeline = Pipeline(FallBank(), FallBank(), lanes=lanes_of())
    processor = Processor(settings, pipeline, owners=lambda: next(known, None))
    while not stop.is_set():
        processor.step(gather_s=settings.gather_s)
        frames.value = pipeline.counts["messages"]
    processor.close()


def _writer(folder: str, written_s: Synchronized[float]) -> None:
    """As the role does, into a store that drops its lines; tells since when at least it has written everything."""
    from ingest.writer import open_writer
    from store.discard import DiscardStore

    stop = _stopped()
    writer = open_writer(DiscardStore(), Path(folder), host="bench")
    while not stop.is_set():
        looked_s = time.monotonic()
        if not writer.step(time.time_ns() // 1_000_000):
            if not writer.lag_bytes():
                written_s.value = looked_s
            time.sleep(_NAP_S)
    writer.close()


# ---- the publisher


@contextmanager
def _publisher(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(_CONNECT)
        if sock.recv(4) != b"\x20\x02\x00\x00":
            raise BenchError("the broker refuses the publisher")
        sock.setblocking(False)
        yield sock


def _packets(motion: Motion, devices: int, second: int, begin_ms: int) -> NDArray[np.uint8]:
    """``(devices, L)``: a PUBLISH of QoS 1 of each wearer's frame of a second."""
    bodies = motion.bodies(devices, second)
    topics = [topic(device_name(i), Stream.MOTION).encode() for i in range(devices)]
    after_header = 2 + len(topics[0]) + 2
    length = after_header + bodies.shape[1]
    header = b"\x32" + varint(length) + len(topics[0]).to_bytes(2, "big")
    out = np.empty((devices, len(header) - 2 + length), np.uint8)
    out[:, : len(header)] = np.frombuffer(header, np.uint8)
    at = len(header) + len(topics[0])
    out[:, len(header) : at] = np.frombuffer(b"".join(topics), np.uint8).reshape(devices, -1)
    mids = (second * devices + np.arange(devices)) % _MIDS + 1
    _put(out, at, mids.astype(">u2"))
    body = at + 2
    out[:, body:] = bodies
    _put(out, body + T_AT, (begin_ms + second * 1000 + np.arange(devices) * 1000 // devices).astype(">u8"))
    _put(out, body + BOOT_AT, (_FIRST_BOOT + np.arange(devices)).astype(">u4"))
    _put(out, body + SEQ_AT, np.full(devices, second).astype(">u8"))
    return out


def _put(rows: NDArray[np.uint8], at: int, values: NDArray[Any]) -> None:
    rows[:, at : at + values.dtype.itemsize] = values.view(np.uint8).reshape(len(values), -1)


def _publish(sock: socket.socket, packets: NDArray[np.uint8]) -> None:
    """Send them as fast as the broker takes them, and return when it has acknowledged the last."""
    view, sent, acknowledged = packets.reshape(-1).data, 0, 0
    deadline_s = time.monotonic() + _WITHIN_S
    while acknowledged < 4 * len(packets):
        readable, writable, _ = select.select([sock], [sock] if sent < len(view) else [], [], 1.0)
        if writable:
            sent += sock.send(view[sent : sent + (1 << 18)])
        if readable:
            got = len(sock.recv(1 << 16))
            if not got:
                raise BenchError("the broker closed the publisher's connection")
            acknowledged += got
        if time.monotonic() > deadline_s:
            raise BenchError("the broker does not take what is published")
