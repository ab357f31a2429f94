"""The disk under the journals is full: the gateway holds, the others drain, and with room again everything arrives."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from firmware_sim.load import load_device, publish_load
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import Member
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.sink import Sink

RATE, SECONDS = 300, 24
FULL_FOR_S = 10.0


@pytest.mark.soak  # the chaos run fills a disk too; this one is far smaller
@pytest.mark.timeout(150)
def test_a_full_disk_loses_nothing_and_falls_are_told_once(
    tmp_path: Path, small_disk: Path, mosquitto: Mosquitto, sink: Sink
) -> None:
    """8 MiB under the journals, filled to the last byte for ten seconds while wearers go on publishing."""
    members = [Member(device, person, "wearable", place) for device, person, place in map(load_device, range(RATE))]
    environment = {
        "CARECIRCLE_DATA_DIR": str(small_disk / "data"),
        "CARECIRCLE_DATABASE_URL": f"sqlite:///{tmp_path}/carecircle.db",
        "CARECIRCLE_STORE__URL": f"sqlite:///{tmp_path}/store.db",
        "CARECIRCLE_JOURNAL__SEGMENT_BYTES": str(256 << 10),
        "CARECIRCLE_JOURNAL__RESERVE_BYTES": str(1 << 20),
        "CARECIRCLE_JOURNAL__CHECKPOINT_S": "1",
        "CARECIRCLE_ALERTS__STEP_S": "3600",
    }
    ballast = small_disk / "ballast"
    held = threading.Event()

    def fill() -> None:
        time.sleep(6.0)
        started = time.monotonic()
        with ballast.open("wb", buffering=0) as file:
            while time.monotonic() - started < FULL_FOR_S:
                try:
                    file.write(bytes(4096))
                except OSError:
                    time.sleep(0.05)  # full; what the others give back is taken too
                if "holding" in system.log("gateway"):
                    held.set()
        ballast.unlink()

    with System(
        tmp_path, members, broker_url=mosquitto.url, webhook_url=sink.url("notify"), environment=environment
    ) as system:
        processes = system.supervisor.process_ids()
        filling = threading.Thread(target=fill)
        filling.start()
        result = publish_load(
            BrokerAddress(host="127.0.0.1", port=mosquitto.port), frames_per_s=RATE, seconds=SECONDS, falls=3, seed=4
        )
        filling.join()
        assert held.is_set(), f"the gateway never held, so this was no full disk\n{system.log('gateway')}"
        published = set(result.truth.keys())
        assert len(published) == RATE * SECONDS
        wait_until(lambda: published <= system.journaled(), 40, f"everything arrives\n{system.log('gateway')}")
        wait_until(lambda: system.lag("raw", "processor") == 0, 40, f"the processor goes on\n{system.log('processor')}")
        wait_until(lambda: system.lag("points", "writer") == 0, 40, f"the writer goes on\n{system.log('writer')}")
        incidents = system.incidents()
        ids = [request.id for request in sink.received]
        assert len(ids) == len(set(ids)) == len(incidents) >= 1
        assert "resumed" in system.log("gateway")
        assert system.supervisor.process_ids() == processes, "a role died of it"
