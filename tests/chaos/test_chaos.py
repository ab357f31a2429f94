"""Two minutes in which everything dies, is cut off or is full, over and over; ``CHAOS_SEED`` has a run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.run import Plan, chosen_seed, run
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.sink import Sink

SECONDS = 110.0


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_and_nothing_is_told_twice_whatever_dies(
    tmp_path: Path,
    larger_disk: Path,
    start_mosquitto: Callable[..., Mosquitto],
    influx: InfluxServer,
    sink: Sink,
) -> None:
    """All roles, the broker and InfluxDB are killed, links are cut and slowed down, the disk is filled."""
    broker = start_mosquitto(options=("autosave_interval 1",))
    report = run(Plan(chosen_seed(), SECONDS), tmp_path, larger_disk, broker, influx, sink)
    print(report.text())
    report.write(tmp_path)
    assert not report.account.failures, report.text()
