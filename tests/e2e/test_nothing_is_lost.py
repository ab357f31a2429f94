"""The promise that counts: what was acknowledged is kept, whichever process dies, and a fall is told once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from carecircle.roles import owners_of
from detectors.fall.bank import FallBank
from firmware_sim.load import load_device, publish_load
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import Member
from ingest.pipeline import Output, Pipeline
from telemetry.codec import decode_motion
from telemetry.errors import TelemetryError
from telemetry.records import RawMessage
from telemetry.topics import Stream, parse_topic
from tests.e2e.system import System, wait_until
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.require import data_root
from tests.servers.sink import Sink

RATE = 2_500
SECONDS = 18
FALLS = 10
OUTAGE_S = 20.0


def undisturbed(messages: list[RawMessage], system: System) -> tuple[dict[tuple[str, int], float], dict[str, str]]:
    """Motion points (device, ns) -> enmo and confirmed falls id -> device that these messages give without a crash."""
    seen: set[tuple[str, int, int]] = set()
    unique = []
    for message in messages:
        try:
            device, stream = parse_topic(message.topic)
        except TelemetryError:
            continue
        if stream is Stream.MOTION:
            frame = decode_motion(message.payload)
            if (device, frame.boot, frame.seq) not in seen:
                seen.add((device, frame.boot, frame.seq))
                unique.append((frame.t, message))
    pipeline = Pipeline(FallBank(), FallBank())
    pipeline.update_owners(owners_of(system.engine)() or {})
    points: dict[tuple[str, int], float] = {}
    falls: dict[str, str] = {}

    def take(out: Output) -> None:
        falls.update((d.id, d.device) for d in out.detections if d.kind == "fall" and d.stage == "confirmed")
        for batch in out.points:
            if batch.measurement == "motion":
                for device, t_ns, enmo in zip(batch.tags["device"], batch.t_ns, batch.fields["enmo_g"], strict=True):
                    points[device, int(t_ns)] = float(enmo)

    ordered = [message._replace(recv_ms=t_ms + 1_000) for t_ms, message in sorted(unique, key=lambda pair: pair[0])]
    for start in range(0, len(ordered), 500):
        pipeline.feed(ordered[start : start + 500])
        take(pipeline.advance())
    take(pipeline.advance(ordered[-1].recv_ms + 60_000))
    return points, falls


def stored_motion(influx: InfluxServer) -> dict[tuple[str, int], float]:
    """What InfluxDB has of the measurement `motion`."""
    (result,) = influx.query('SELECT "enmo_g" FROM "motion" GROUP BY "device"', database="telem")
    return {
        (series["tags"]["device"], int(t_ns)): float(value)
        for series in result.get("series", [])
        for t_ns, value in series["values"]
    }


@pytest.mark.heavy
@pytest.mark.timeout(280)
def test_nothing_is_lost_while_processes_are_killed_and_the_store_is_away(
    tmp_path: Path, mosquitto: Mosquitto, influx: InfluxServer, sink: Sink
) -> None:
    """Frames at more than 2,000/s, gateway and processor killed twice each, InfluxDB away for 20 s."""
    chance = random.Random(time.time_ns())
    members = [Member(device, person, "wearable", place) for device, person, place in map(load_device, range(RATE))]
    environment = {
        "CARECIRCLE_STORE__URL": influx.url,
        "CARECIRCLE_STORE__TOKEN": influx.token,
        "CARECIRCLE_ALERTS__STEP_S": "3600",  # nobody acknowledges: a second message would be a wrong one
        "CARECIRCLE_ALERTS__REPEAT_S": "7200",
        "CARECIRCLE_JOURNAL__CHECKPOINT_S": "2",
    }
    kills = sorted((chance.uniform(2.0, SECONDS), role) for role in ("gateway", "processor") * 2)

    def disturb(started_s: float) -> None:
        away = threading.Timer(1.0, influx.stop)
        away.start()
        for at_s, role in kills:
            time.sleep(max(0.0, started_s + at_s - time.monotonic()))
            system.kill(role)
        away.join()
        time.sleep(max(0.0, started_s + 1.0 + OUTAGE_S - time.monotonic()))
        influx.start()

    with System(
        tmp_path, members, broker_url=mosquitto.url, webhook_url=sink.url("notify"), environment=environment
    ) as system:
        disturbance = threading.Thread(target=disturb, args=(time.monotonic(),))
        disturbance.start()
        result = publish_load(
            BrokerAddress(host="127.0.0.1", port=mosquitto.port),
            frames_per_s=RATE, seconds=SECONDS, falls=FALLS, connections=8, recordings=data_root() / "falls", seed=11,
        )  # fmt: skip
        disturbance.join()
        said = f"kills at {kills}"
        assert result.confirmed == result.sent >= 20_000
        assert result.rate >= 2_000, "the publisher was held up, so this was not the load that was meant"
        published = set(result.truth.keys())
        wait_until(lambda: published <= system.journaled(), 60, f"every published frame is journaled ({said})")
        expected, falls = undisturbed(list(system.raw), system)
        assert len(falls) >= FALLS // 2, "the detector finds most of what was staged, else this shows nothing"
        wait_until(lambda: system.lag("raw", "processor") == 0, 60, f"the processor is done ({said})")
        wait_until(lambda: set(stored_motion(influx)) >= set(expected), 60, f"every summary is stored ({said})")
        fallers = set(falls.values())
        wait_until(lambda: len(sink.received) >= len(fallers), 30, f"every fall is told ({said})")
        time.sleep(3.0)  # long enough for a second message to show

        assert set(stored_motion(influx)) == set(expected)
        wrong = {
            key: (value, expected[key])
            for key, value in stored_motion(influx).items()
            if abs(value - expected[key]) > 1e-6
        }
        assert not wrong, f"{len(wrong)} summaries lack samples ({said}): {dict(list(wrong.items())[:3])}"
        incidents = system.incidents()
        assert sorted(e.detection for i in incidents for e in i.evidence if e.stage == "confirmed") == sorted(falls)
        assert {i.device for i in incidents} == fallers, f"whoever fell has an incident ({said})"
        assert len(incidents) == len(fallers), f"and only one ({said})"
        told = Counter(request.data["incident"] for request in sink.received)
        assert told == Counter({incident.id: 1 for incident in incidents}), f"one notification each ({said})"
        assert all(request.genuine for request in sink.received)
