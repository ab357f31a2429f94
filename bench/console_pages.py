"""How long the console's server takes for the board, the list of people and the page of a person.

``python -m bench.console_pages``. The hot paths that this protects: the board with 200 open incidents, which every open
window fetches after each change, and a person's page with a week of readings every 30 s in the embedded store, beside
the readings of 18,000 others. Goals at the 95th percentile: 100 ms, and 300 ms with the drawing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import yaml
from sqlalchemy import Engine

import alerts.database
import console.access.database
import registry
from alerts.intake import take_detections
from alerts.known import Rules
from alerts.policy import HISTORICAL, IMMEDIATE
from console.app import create_app
from console.server import serve
from console.settings import ConsoleSettings
from detectors.detection import Detection, Severity, Stage, detection_id
from store import Store, open_store
from telemetry.records import Column, PointBatch

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_AREA = "city.d{}.s{}"
_RULES = Rules(policy=IMMEDIATE, historical=HISTORICAL, fuse_s=600.0, prompt_s=60.0)
_FORGOTTEN_S = 11
_SIGNS = ("hr", "spo2", "rr")


def run(*, people: int = 18_000, incidents: int = 200, rounds: int = 24, others_points: int = 24) -> dict[str, Any]:
    """Build a district, serve it, and fetch each page ``rounds`` times over one connection.

    Args:
        people: in the registry, each with a device and ``others_points`` readings over the last week.
        incidents: open ones on the board.
        rounds: of each page, each time of another person who has a whole week.

    Returns:
        By page: milliseconds at the 50th and 95th percentile, those of computing (this process, half of the looks take
        less: what a busy machine does not blur), and the bytes of one answer.
    """
    now_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(prefix="carecircle-bench-") as name:
        folder = Path(name)
        engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
        _district(engine, folder / "district", people)
        _open(engine, incidents, now_ms)
        store = open_store(f"sqlite:///{folder}/store.db")
        watched = [f"p-{number:05d}" for number in random.Random(1).sample(range(people), rounds)]
        _others(store, people, others_points, now_ms)
        for key in watched:
            _week(store, key, now_ms)
        store.close()
        settings = ConsoleSettings(
            link_key="a key for the bench only", time_zone="Asia/Shanghai", login=False,
            store_url=f"sqlite:///{folder}/store.db",
        )  # fmt: skip
        with _serving(engine, settings) as url:
            result = _measure(url, watched)
        engine.dispose()
    return result


def _measure(url: str, watched: list[str]) -> dict[str, Any]:
    pages = {
        "board": "/",
        "people": "/people",
        "people, searched": "/people?q=name+7&sort=name",
        "person, 24 h": "/people/{key}",
        "person, 7 d": "/people/{key}?range=7d",
        "drawing, 7 d, alone": "/people/{key}/series?range=7d",
        "person, 90 d": "/people/{key}?range=90d&days=28",
    }
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    _fetch(connection, "/people")  # the first one fills the index
    result: dict[str, Any] = {}
    for name, address in pages.items():
        time.sleep(_FORGOTTEN_S)  # what a page has read is kept for the drawing: here each must read itself
        connection.close()  # the server has given it up by now
        _fetch(connection, "/healthz")
        taken, spent, size = [], [], 0
        for key in watched:
            began, cpu = time.perf_counter(), time.process_time()
            size = _fetch(connection, address.format(key=key))
            taken.append((time.perf_counter() - began) * 1000)
            spent.append((time.process_time() - cpu) * 1000)
        result[name] = {
            "p50_ms": round(float(np.percentile(taken, 50)), 1),
            "p95_ms": round(float(np.percentile(taken, 95)), 1),
            "cpu_ms": round(float(np.percentile(spent, 50)), 1),
            "bytes": size,
        }
    return result


def _fetch(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path, headers={"accept-language": "en", "accept-encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return len(body)


@contextmanager
def _serving(engine: Engine, settings: ConsoleSettings) -> Iterator[str]:
    stop, started, urls = threading.Event(), threading.Event(), list[str]()

    def ready(url: str) -> None:
        urls.append(url)
        started.set()

    app = create_app(engine, settings)
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, stop), kwargs={"ready": ready}, daemon=True)
    thread.start()
    started.wait(30)
    try:
        yield urls[0]
    finally:
        stop.set()
        thread.join(15)


def _district(engine: Engine, folder: Path, people: int) -> None:
    registry.upgrade(engine)
    alerts.database.upgrade(engine)
    console.access.database.upgrade(engine)
    folder.mkdir()
    paths = [_AREA.format(d, s) for d in range(5) for s in range(25)]
    areas = ["city", *sorted({path.rpartition(".")[0] for path in paths}), *paths]
    (folder / "district.yaml").write_text(
        yaml.safe_dump(
            {
                "areas": [{"path": path, "name": f"Area {path}"} for path in areas],
                "responders": [{"id": "r-1", "name": "Responder", "area": "city", "channels": [{"type": "console"}]}],
                "on_call": {"city": ["r-1"]},
            }
        )
    )
    with (folder / "people.csv").open("w") as file:
        file.write("key,name,area,address,risks\n")
        file.writelines(
            f"p-{n:05d},Name {n} 姓名,{paths[n % len(paths)]},Building {n % 90} unit {n % 7},lives_alone\n"
            for n in range(people)
        )
    with (folder / "devices.csv").open("w") as file:
        file.write("id,person,placement\n")
        file.writelines(f"d-{n:05d},p-{n:05d},wrist\n" for n in range(people))
    diff = registry.import_folder(engine, folder)
    if diff.problems:
        raise RuntimeError(str(diff.problems[0]))


def _open(engine: Engine, incidents: int, now_ms: int) -> None:
    for number in range(incidents):
        device, onset_ms = f"d-{number * 7:05d}", now_ms - number * 20_000
        one = Detection(
            id=detection_id(device, "fall", 1, onset_ms), stage=Stage.CONFIRMED, device=device,
            person=f"p-{number * 7:05d}", detector="fall", version="1", kind="fall", onset_ms=onset_ms,
            decided_ms=onset_ms + 3500, recv_ms=onset_ms + 3600, severity=Severity.CRITICAL, score=0.9,
            features={"peak_g": 4.2, "because.peak_g": 2.1, "posture_change_deg": 80.0},
        )  # fmt: skip
        if number == 0:
            snapshot = registry.directory(engine)
        with registry.writing(engine) as connection:
            take_detections(connection, [one], snapshot, _RULES, now_ms)
            alerts.database.raise_change(connection)


def _others(store: Store, people: int, each: int, now_ms: int) -> None:
    """Some readings and a score of everybody."""
    rng = np.random.default_rng(3)
    keys = [f"{number:05d}" for number in range(people)]
    areas = [_AREA.format(n % 5, n // 5 % 25) for n in range(people)]
    for step in range(each):
        t_ns = np.full(people, (now_ms - (step + 1) * 7 * _DAY_MS // each) * 1_000_000, np.int64)
        fields: dict[str, Column] = {name: rng.normal(70, 5, people) for name in _SIGNS}
        tags = {"device": [f"d-{k}" for k in keys], "person": [f"p-{k}" for k in keys], "area": areas}
        store.write(PointBatch("vitals", t_ns, tags, fields))
    score: dict[str, Column] = {name: rng.integers(0, 6, people).astype(np.float64) for name in ("value", "upper")}
    tags = {"person": [f"p-{k}" for k in keys], "area": areas, "detector": ["vitals.news2"] * people}
    store.write(PointBatch("score", np.full(people, (now_ms - 60_000) * 1_000_000, np.int64), tags, score))


def _week(store: Store, key: str, now_ms: int) -> None:
    """A reading every 30 s, a score every five minutes, what is usual every four hours."""
    rng = np.random.default_rng(4)

    def write(measurement: str, every_s: int, names: tuple[str, ...], **tags: str) -> None:
        t_ms = np.arange(now_ms - 7 * _DAY_MS, now_ms, every_s * 1000, dtype=np.int64)
        fields: dict[str, Column] = {name: rng.normal(70, 3, len(t_ms)) for name in names}
        columns = {tag: [value] * len(t_ms) for tag, value in {"person": key, "area": "city.d0.s0", **tags}.items()}
        store.write(PointBatch(measurement, t_ms * 1_000_000, columns, fields))

    write("vitals", 30, (*_SIGNS, "temp", "sbp", "dbp"), device=f"d-{key[2:]}")
    write("score", 300, ("value", "lower", "upper"), detector="vitals.news2")
    for sign in (*_SIGNS, "temp", "sbp"):
        write("baseline", 4 * 3600, ("value", "lower", "upper"), detector=f"vitals.{sign}")
    start_ms, end_ms = (now_ms - 8 * _DAY_MS) // _HOUR_MS * _HOUR_MS, now_ms // _HOUR_MS * _HOUR_MS
    for measurement in ("vitals", "score"):
        store.rollup(
            measurement, start_ms=start_ms, end_ms=end_ms, step_s=3600, source_bucket="telem",
            target_bucket="telem_1h", devices=[f"d-{key[2:]}"] if measurement == "vitals" else None,
        )  # fmt: skip


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=18_000)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result = run(people=chosen.people, rounds=chosen.rounds)
    for name, figures in result.items():
        times = f"{figures['p50_ms']:7.1f} ms {figures['p95_ms']:7.1f} ms p95 {figures['cpu_ms']:7.1f} ms CPU"
        sys.stdout.write(f"{name:20} {times} {figures['bytes']:8} bytes\n")
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
