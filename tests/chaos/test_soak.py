"""The chaos run at length, for `make soak`: longer outages, every kind some twenty times."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.run import Plan, chosen_seed, run
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.sink import Sink

#: Twenty minutes; ``CHAOS_SECONDS`` makes it shorter or longer.
SECONDS = float(os.environ.get("CHAOS_SECONDS") or 1200.0)


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 900)
def test_twenty_minutes_of_disturbances_lose_nothing_acknowledged_and_tell_nothing_twice(
    tmp_path: Path,
    larger_disk: Path,
    start_mosquitto: Callable[..., Mosquitto],
    influx: InfluxServer,
    sink: Sink,
) -> None:
    """A fall every ten seconds and a call every forty among 300 wearers, and no minute without a death."""
    broker = start_mosquitto(options=("autosave_interval 1",))
    plan = Plan(chosen_seed(), SECONDS, falls=int(SECONDS / 10), presses=int(SECONDS / 40), every_s=5.0, longer=3.0)
    report = run(plan, tmp_path, larger_disk, broker, influx, sink)
    print(report.text())
    report.write(tmp_path)
    assert not report.account.failures, report.text()
