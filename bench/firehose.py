"""What receiving alone costs: a broker that is none sends prepared messages as fast as they are acknowledged.

Protects the hot path from the socket to the journal's commit and the PUBACK. Side by side, in turns, each receiver in a
process of its own: our gateway as it is (journal on, fsync real, MQTT 5), a bare paho subscriber that acknowledges by
hand and only counts (MQTT 3.1.1, its faster one), and aiomqtt.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.children import PROCESSES, child, cpu_s
from bench.waiting import BenchError
from ingest.mqtt.wire import read_varint, text, varint

_MIDS = 30_000  # prepared messages: more than are ever under way
_DEVICES = 2_000
_KEEPALIVE_S = 600  # no ping falls into a measurement
_WAIT_S = 60.0

RECEIVERS = ("ours", "paho", "aiomqtt")


class FirehoseError(BenchError):
    """The benchmark could not run; the text says why."""


# ---- the broker


def _packets(stream: str, size: int, level: int) -> tuple[bytes, list[int]]:
    """``_MIDS`` PUBLISH packets of QoS 1, back to back, and where each begins (and the last ends)."""
    noise = os.urandom(1 << 16)
    packets = []
    for mid in range(1, _MIDS + 1):
        topic = text(f"care/v1/w-{mid % _DEVICES:05d}/{stream}")
        if stream == "vitals":
            head = b'{"t":%d,"boot":1,"seq":%d,"hr":%d' % (1_760_000_000_000 + mid, mid, 50 + mid % 70)
            payload = head + b',"spo2":97'[: size - len(head) - 1] + b"}"
            payload = payload[:-1].ljust(size - 1 - mid % 3) + b"}"
        else:
            payload = noise[mid : mid + size]
        body = topic + mid.to_bytes(2, "big") + (b"\x00" if level == 5 else b"") + payload
        packets.append(b"\x32" + varint(len(body)) + body)
    return b"".join(packets), list(accumulate(map(len, packets), initial=0))


def _read_packet(sock: socket.socket, held: bytearray) -> tuple[int, bytes]:
    while True:
        found = read_varint(held, 1, len(held)) if len(held) > 1 else None
        if found is not None and len(held) >= found[0] + found[1]:
            first, body = held[0], bytes(held[found[1] : found[0] + found[1]])
            del held[: found[0] + found[1]]
            return first, body
        data = sock.recv(1 << 16)
        if not data:
            raise FirehoseError("the receiver closed the connection before it subscribed")
        held += data


def _broker(tell: Connection, stream: str, size: int, window: int) -> None:
    """Tells its port, then 0 once there is a subscriber; hears the seconds; tells messages acknowledged and seconds."""
    listener = socket.create_server(("127.0.0.1", 0))
    tell.send(listener.getsockname()[1])
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = bytearray()
    _, connect = _read_packet(sock, held)
    level = connect[6]
    sock.sendall(b"\x20\x03\x00\x00\x00" if level == 5 else b"\x20\x02\x00\x00")
    while True:
        first, body = _read_packet(sock, held)
        if first == 0x82:
            filters = _filters(body, level)
            codes = (b"\x00" if level == 5 else b"") + b"\x01" * filters
            sock.sendall(b"\x90" + varint(2 + len(codes)) + body[:2] + codes)
            break
    data, places = _packets(stream, size, level)
    tell.send(0)
    tell.send(_pour(sock, data, places, window, tell.recv()))
    tell.recv()  # until the receiver has been looked at


def _filters(body: bytes, level: int) -> int:
    at, count = 3 if level == 5 else 2, 0
    while at < len(body):
        at += 3 + int.from_bytes(body[at : at + 2], "big")
        count += 1
    return count


def _pour(sock: socket.socket, data: bytes, places: list[int], window: int, seconds: float) -> tuple[int, float]:
    view, size = memoryview(data), len(data)
    sock.setblocking(False)
    acknowledged_bytes = sent = 0

    def place(count: int) -> int:
        return count // _MIDS * size + places[count % _MIDS]

    began_s = time.monotonic()
    last = None
    while True:
        acknowledged = acknowledged_bytes // 4
        now_s = time.monotonic()
        if last is None and now_s - began_s >= seconds:
            last = acknowledged + window
        may = place(acknowledged + window if last is None else last)
        if last is not None and acknowledged >= last:
            return acknowledged, now_s - began_s
        if now_s - began_s > seconds + _WAIT_S:
            raise FirehoseError(f"{acknowledged} of {last} messages were acknowledged")
        readable, writable, _ = select.select([sock], [sock] if sent < may else [], [], 1.0)
        if readable:
            got = len(sock.recv(1 << 18))
            if not got:
                raise FirehoseError("the receiver closed the connection")
            acknowledged_bytes += got
        if writable:
            at = sent % size
            sent += sock.send(view[at : at + min(may - sent, 1 << 20)])


# ---- the receivers


def _ours(port: int, folder: str) -> None:
    from ingest.gateway import Gateway
    from ingest.gateway_settings import GatewaySettings

    directory = Path(folder)
    gateway = Gateway(
        GatewaySettings(port=port, keepalive_s=_KEEPALIVE_S),
        directory / "journal", directory / "quarantine", directory / "state",
    )  # fmt: skip
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_read_on, args=(directory / "journal" / "raw",), daemon=True).start()
    gateway.run(stop)


def _journaled(folder: Path) -> int:
    """What the gateway says of itself after a clean stop."""
    stats = json.loads((folder / "state" / "gateway.json").read_text())
    return int(stats["journaled"])


def _read_on(raw: Path) -> None:
    """Move the processor's offset along, so that segments are dropped as in a running system."""
    from journal import JournalReader

    reader = JournalReader(raw, "processor")
    while True:
        time.sleep(1.0)
        newest = max(raw.glob("*.seg"))
        reader.commit(int(newest.stem))


def _paho(port: int, _folder: str) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench", clean_session=False, manual_ack=True)
    count = 0

    def on_message(client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        nonlocal count
        count += 1
        client.ack(message.mid, message.qos)

    def on_connect(client: paho.Client, *_: object) -> None:
        client.subscribe("care/v1/#", 1)

    client.on_message = on_message
    client.on_connect = on_connect
    client.connect("127.0.0.1", port, keepalive=_KEEPALIVE_S)
    client.loop_forever()


def _aiomqtt(port: int, _folder: str) -> None:
    import aiomqtt

    async def receive() -> None:
        count = 0
        async with aiomqtt.Client("127.0.0.1", port, identifier="bench", keepalive=_KEEPALIVE_S) as client:
            await client.subscribe("care/v1/#", 1)
            async for _ in client.messages:
                count += 1

    asyncio.run(receive())


_TARGETS: dict[str, Callable[[int, str], None]] = {"ours": _ours, "paho": _paho, "aiomqtt": _aiomqtt}


# ---- the measurement


@dataclass(frozen=True)
class Result:
    """One receiver for some seconds: messages a second of its CPU (user and system) and of the clock."""

    per_cpu_s: float
    per_s: float


def _hear(pipe: Connection) -> Any:
    if not pipe.poll(_WAIT_S * 2):
        raise FirehoseError("the broker says nothing: the receiver does not subscribe, or does not acknowledge")
    try:
        return pipe.recv()
    except EOFError:
        raise FirehoseError("the broker has ended; its reason is above") from None


def measure(receiver: str, stream: str, size: int, *, seconds: float, window: int, folder: Path) -> Result:
    """Let ``receiver`` take messages of ``size`` bytes for ``seconds``. Raises FirehoseError."""
    with tempfile.TemporaryDirectory(prefix="firehose-", dir=folder) as work:
        ours, theirs = PROCESSES.Pipe()
        with child(_broker, theirs, stream, size, window):
            theirs.close()
            port = _hear(ours)
            with child(_TARGETS[receiver], port, work) as client:
                _hear(ours)
                time.sleep(0.3)
                before_s = cpu_s(client)
                ours.send(seconds)
                count, took_s = _hear(ours)
                used_s = cpu_s(client) - before_s
            ours.send(None)
        if receiver == "ours" and (journaled := _journaled(Path(work))) < count:
            raise FirehoseError(f"{count} messages were acknowledged, {journaled} are in the journal")
    return Result(count / used_s, count / took_s)


def run(
    *,
    seconds: float = 4.0,
    rounds: int = 3,
    window: int = 10_000,
    motion_bytes: int = 700,
    vitals_bytes: int = 60,
    folder: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """All receivers in turns, ``rounds`` times; the median of each. The journal is in ``folder`` (else the temporary).

    Returns:
        For ``motion`` and ``vitals``: ``<receiver>_per_cpu_s`` and ``<receiver>_per_s`` of each of :data:`RECEIVERS`,
        ``ratio_to_paho`` and ``ratio_to_aiomqtt`` by CPU seconds, and ``rounds`` (every single ratio to paho).

    Raises:
        FirehoseError: a receiver did not take everything.
    """
    out: dict[str, Any] = {}
    where = folder or Path(tempfile.gettempdir())
    for stream, size in (("motion", motion_bytes), ("vitals", vitals_bytes)):
        results: dict[str, list[Result]] = {receiver: [] for receiver in RECEIVERS}
        for number in range(rounds):
            for receiver in RECEIVERS:
                result = measure(receiver, stream, size, seconds=seconds, window=window, folder=where)
                results[receiver].append(result)
                say(f"{stream} {number + 1}/{rounds} {receiver}: {result.per_cpu_s:,.0f} a CPU second")
        row: dict[str, Any] = {}
        for receiver, found in results.items():
            row[f"{receiver}_per_cpu_s"] = round(statistics.median(one.per_cpu_s for one in found))
            row[f"{receiver}_per_s"] = round(statistics.median(one.per_s for one in found))
        for other in ("paho", "aiomqtt"):
            row[f"ratio_to_{other}"] = round(row["ours_per_cpu_s"] / row[f"{other}_per_cpu_s"], 2)
        pairs = zip(results["ours"], results["paho"], strict=True)
        row["rounds"] = [round(ours.per_cpu_s / paho.per_cpu_s, 2) for ours, paho in pairs]
        out[stream] = row
    return out
