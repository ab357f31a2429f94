"""What a storm costs: 2,000 incidents in a minute. `python -m bench.alerts_storm [--json FILE]`

One alerts process, a real HTTP server in another, 60 areas with three responders each and all of them on call, three
severities mixed. Delays are from a detection's ``decided_ms`` to the receipt of its first message.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import alerts
import registry
from alerts.service import AlertService, AlertSettings
from detectors.detection import Detection, Severity, Stage, pack_detection
from journal import JournalWriter

SECRET = "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMuLi4u"
AREAS = 60
#: One kind of finding each, from what is told first to what is told last.
KINDS = (("sos", Severity.CRITICAL), ("fall", Severity.URGENT), ("vitals", Severity.WARNING))


@dataclass(frozen=True)
class Storm:
    """What came of a storm. Times in seconds, memory in MB (10^6 bytes); ``late`` is how many took longer than 10 s."""

    database: str
    incidents: int
    within_s: float
    delivered: int
    messages: int
    repeats: int
    doubled: int
    late: int
    p50_s: float
    p99_s: float
    max_s: float
    p99_critical_s: float
    p99_warning_s: float
    cpu_s: float
    cpu_ms_per_incident: float
    rss_growth_mb: float


def write_district(folder: Path, people: int, port: int) -> Path:
    """A district of so many people; each of 60 areas has a rota of three responders, the district a desk."""
    folder.mkdir(parents=True, exist_ok=True)
    areas = range(AREAS)
    hook = f"webhook http://127.0.0.1:{port}/"
    responders = [(f"r{i}-{k}", f"d.s{i % 6}.a{i}") for i in areas for k in range(3)] + [("desk", "d")]
    tables = {
        "areas": "path,name\nd,D\n"
        + "".join(f"d.s{i},Street {i}\n" for i in range(6))
        + "".join(f"d.s{i % 6}.a{i},Station {i}\n" for i in areas),
        "people": "key,name,area,address,lat,lon\n"
        + "".join(
            f"p{n},Person {n},d.s{n % AREAS % 6}.a{n % AREAS},{n} Fengqing Road,"
            f"{34 + n % 97 / 1000},{108 + n % 89 / 1000}\n"
            for n in range(people)
        ),
        "devices": "id,person\n" + "".join(f"w{n},p{n}\n" for n in range(people)),
        "responders": "id,name,area,channels,lat,lon\n"
        + "".join(
            f"{name},{name},{area},{hook}{name} {SECRET},{34 + k % 50 / 500},{108 + k % 40 / 500}\n"
            for k, (name, area) in enumerate(responders)
        ),
        "on_call": "area,position,responder\n"
        + "".join(f"{area},{k % 3 + 1},{name}\n" for k, (name, area) in enumerate(responders)),
    }
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def detection(n: int, now_ms: int) -> Detection:
    """What is found about person n."""
    kind, severity = KINDS[n % len(KINDS)]
    return Detection(
        id=f"storm-{n}", stage=Stage.CONFIRMED, device=f"w{n}", person=f"p{n}", detector="fall", version="1", kind=kind,
        onset_ms=now_ms, decided_ms=now_ms, recv_ms=now_ms, severity=severity, score=1.0,
    )  # fmt: skip


def _serve(pipe: Connection) -> None:
    """The responders' server, in a process of its own: says its port, then at any word what it has received."""
    received: list[tuple[float, str, str, int, str]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at_s = time.time()
            data = json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]
            with lock:
                received.append((at_s, data["incident"], data["device"], data["attempt"], self.headers["webhook-id"]))
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

        def log_message(self, *_args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_address[1])
    while pipe.recv():
        with lock:
            pipe.send(received[:])


def _run_service(url: str, journals: Path, pipe: Connection) -> None:
    """The alerts process: says when it is ready and, at the end, what it took."""
    stop = threading.Event()
    settings = AlertSettings(link_key="a key for links, long enough", public_url="http://console.example")
    service = AlertService(registry.create_engine(url), journals, settings)
    service.step(time.time_ns() // 1_000_000)
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    cpu_s, rss = time.process_time(), _rss_bytes()
    pipe.send("ready")
    pipe.recv()
    pipe.send((time.process_time() - cpu_s, _peak_rss_bytes() - rss))
    stop.set()
    thread.join()


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak_rss_bytes() -> int:
    """Of this program: ``ru_maxrss`` would begin with what the process was that it was started from."""
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024


def _arrivals(incidents: int, within_s: float) -> Iterator[tuple[float, range]]:
    """When which of them are found: ten times a second."""
    ticks = max(1, round(within_s * 10))
    for tick in range(ticks):
        yield tick / 10, range(tick * incidents // ticks, (tick + 1) * incidents // ticks)


def storm(url: str, folder: Path, incidents: int, within_s: float, patience_s: float = 60.0) -> Storm:
    """Let so many incidents begin within so many seconds, and see when each one's first message arrives."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    engine = registry.create_engine(url)
    registry.upgrade(engine)
    alerts.upgrade(engine)
    problems = registry.import_folder(engine, write_district(folder / "in", incidents, ours.recv())).problems
    assert not problems, problems
    journals = folder / "journal"
    hand, other = context.Pipe()
    with JournalWriter(journals / "detections", consumers=["alerts"], reserve_bytes=0) as writer:
        process = context.Process(target=_run_service, args=(url, journals, other))
        process.start()
        hand.recv()
        decided_ms: dict[str, int] = {}
        start = time.monotonic()
        for due_s, numbers in _arrivals(incidents, within_s):
            time.sleep(max(0.0, start + due_s - time.monotonic()))
            now_ms = time.time_ns() // 1_000_000
            decided_ms |= {f"w{n}": now_ms for n in numbers}
            if numbers:
                writer.append([pack_detection(detection(n, now_ms)) for n in numbers])
                writer.commit()
        deadline = time.monotonic() + patience_s
        while True:
            ours.send("more")
            received = ours.recv()
            if len({one[2] for one in received}) == incidents or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        hand.send("end")
        cpu_s, grown = hand.recv()
        process.join(20)
    ours.send("")
    server.join(5)
    engine.dispose()
    return _storm(engine.dialect.name, incidents, within_s, received, decided_ms, cpu_s, grown)


def _storm(
    database: str,
    incidents: int,
    within_s: float,
    received: list[tuple[float, str, str, int, str]],
    decided_ms: dict[str, int],
    cpu_s: float,
    grown: int,
) -> Storm:
    first: dict[str, float] = {}
    for at_s, _, device, _, _ in received:
        first.setdefault(device, at_s - decided_ms[device] / 1000)
    delays = sorted(first.values())
    by_kind = [sorted(first[f"w{n}"] for n in range(k, incidents, 3) if f"w{n}" in first) for k in range(3)]
    ids = [one[4] for one in received if one[3] == 1]
    return Storm(
        database=database,
        incidents=incidents,
        within_s=within_s,
        delivered=len(first),
        messages=len(received),
        repeats=sum(one[3] > 1 for one in received),
        doubled=len(ids) - len(set(ids)),
        late=sum(delay > 10 for delay in delays) + incidents - len(delays),
        p50_s=round(_quantile(delays, 0.5), 3),
        p99_s=round(_quantile(delays, 0.99), 3),
        max_s=round(delays[-1], 3),
        p99_critical_s=round(_quantile(by_kind[0], 0.99), 3),
        p99_warning_s=round(_quantile(by_kind[2], 0.99), 3),
        cpu_s=round(cpu_s, 2),
        cpu_ms_per_incident=round(cpu_s / incidents * 1000, 2),
        rss_growth_mb=round(grown / 1e6, 1),
    )


def _quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=2000)
    parser.add_argument("--within-s", type=float, default=60.0)
    parser.add_argument("--url", help="of an empty PostgreSQL database; without: SQLite")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.url or f"sqlite:///{folder}/carecircle.db"
        result = asdict(storm(url, Path(folder), arguments.incidents, arguments.within_s))
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
