"""The commands of docker-compose.yml with its environment, as processes: what can be run without an engine.

Names of hosts, folders and ports are put in place of those within the containers; nothing else is changed. Our images
are not built here, and InfluxDB 1.6 behind nginx stands for 2.x, so its tokens are written by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy

from alerts import queries
from tests.e2e.system import wait_until
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.ports import free_port
from tests.servers.postgres import Emptied
from tests.setup.test_compose import compose

SCENARIO = """
name: one falls
wearers: {count: 2, waist: 1.0}
falls: [{at_s: 6, who: 1}]
vitals: {every_s: 2}
"""
ROLES = ("gateway", "processor", "writer", "alerts", "console")


class Stack:
    """The services of the file on this machine."""

    def __init__(self, folder: Path, influx: InfluxServer, database: str) -> None:
        self.folder = folder
        self.broker_port, self.console_port = free_port(), free_port()
        self.influx, self.database = influx, database
        self._carecircle("setup", "secrets", "--out", str(folder / "secrets"))
        (folder / "one.yaml").write_text(SCENARIO)
        given = {"SECRETS_DIR": str(folder / "secrets"), "SCENARIO": str(folder / "one.yaml")}
        self.config: dict[str, Any] = json.loads(compose("config", "--format", "json", environment=given))
        for login in ("writer", "reader"):
            (folder / f"token-{login}").mkdir()
            (folder / f"token-{login}" / "influxdb.token").write_text(influx.token)

    def here(self, service: str, text: str) -> str:
        """``text`` of a service with the places of this machine."""
        described = self.config["services"][service]
        places = {
            "mosquitto:8883": f"127.0.0.1:{self.broker_port}",
            "--port=8883": f"--port={self.broker_port}",
            "http://influxdb:8086": self.influx.url,
            "0.0.0.0": "127.0.0.1",
            "postgresql+psycopg://carecircle@postgres:5432/carecircle": self.database,
        }
        for secret in described.get("secrets") or ():
            places[f"/run/secrets/{secret['source']}"] = self.config["secrets"][secret["source"]]["file"]
        for volume in described.get("volumes") or ():
            if volume["type"] == "volume":
                places[volume["target"]] = str(self.folder / volume["source"])
        longest_first = sorted(places, key=len, reverse=True)
        # all at once: a place of this machine may contain the name of one within a container
        return re.sub("|".join(map(re.escape, longest_first)), lambda found: places[found[0]], text)

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service and no other setting of this machine's."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
        given = self.config["services"][service].get("environment") or {}
        made = {name: self.here(service, value or "") for name, value in given.items()}
        if "CARECIRCLE_CONSOLE__PORT" in made:
            made["CARECIRCLE_CONSOLE__PORT"] = str(self.console_port)
        return {**clean, "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", **made}

    def command(self, service: str) -> list[str]:
        """The command of a service."""
        described = self.config["services"][service]
        entry = described.get("entrypoint") or [sys.executable, "-m", "carecircle"]
        return [*entry, *(self.here(service, part).replace("$$", "$") for part in described["command"])]

    def run(self, service: str) -> None:
        """A service that ends."""
        done = subprocess.run(
            self.command(service), env=self.environment(service), capture_output=True, text=True, check=False,
            timeout=60, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"

    @contextlib.contextmanager
    def running(self, *services: str) -> Iterator[None]:
        """Services that go on until the block ends; ended in this order as Compose does, by SIGTERM."""
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for service in services:
                with (self.folder / f"{service}.log").open("wb") as log:
                    process = subprocess.Popen(
                        self.command(service), env=self.environment(service), stdout=log, stderr=log, cwd=self.folder
                    )
                processes.append(process)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                process.kill()

    def is_healthy(self, role: str) -> bool:
        """What Docker would ask."""
        _, *test = self.config["services"][role]["healthcheck"]["test"]
        done = subprocess.run([sys.executable, *test[1:]], env=self.environment(role), check=False, timeout=60)
        return done.returncode == 0

    def log(self, service: str) -> str:
        """The end of what a service has said."""
        return (self.folder / f"{service}.log").read_text()[-2000:]

    def _carecircle(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "carecircle", *arguments], check=True, capture_output=True, timeout=60)


@pytest.mark.soak
@pytest.mark.timeout(180)
def test_the_commands_of_the_compose_file_bring_a_fall_from_a_simulated_device_to_an_incident(
    tmp_path: Path, influx: InfluxServer, postgres_emptied: Emptied
) -> None:
    """Over TLS with passwords made by the set-up, PostgreSQL and InfluxDB; every health check agrees."""
    postgres_emptied.empty()
    stack = Stack(tmp_path, influx, postgres_emptied.url)
    stack.run("setup-broker")
    stack.run("simulated-district")
    config = tmp_path / "broker" / "mosquitto.conf"
    if os.geteuid() == 0:  # mosquitto gives root up, and may not read into a test's folder then
        config.write_text(config.read_text() + "user root\n")
    engine = sqlalchemy.create_engine(stack.database)
    with Mosquitto(tmp_path / "mosquitto", config=config, port=stack.broker_port), stack.running(*ROLES):
        subscribed = tmp_path / "data" / "state" / "gateway.subscribed"
        wait_until(subscribed.exists, 60, "the gateway listens")
        wait_until(lambda: (tmp_path / "data/journal/detections").exists(), 60, "the processor works")
        with stack.running("firmware_sim"):

            def fallen() -> bool:
                return any(view.kind == "fall" for view in queries.open_incidents(engine, resolved_since_ms=0))

            wait_until(fallen, 60, "the fall is an incident")
            wait_until(lambda: influx.count("vitals", "hr") > 0, 30, "vital signs are in InfluxDB")
        url = f"http://127.0.0.1:{stack.console_port}"
        wait_until(lambda: _answers(f"{url}/healthz"), 30, "the console answers")
        assert httpx.get(f"{url}/api/v1/incidents").status_code == 401, "everybody logs in"
        for role in ROLES:
            wait_until(lambda role=role: stack.is_healthy(role), 30, f"{role} is healthy\n{stack.log(role)}")
    engine.dispose()
    assert not stack.is_healthy("console"), "it is gone"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
