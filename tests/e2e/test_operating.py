"""From an empty folder to a running system, as docs/operations.md tells it, and what `doctor` says when it is wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import registry
from alerts import queries
from firmware_sim.district import write_district
from firmware_sim.scenario import load_scenario, members
from tests.e2e.system import wait_until
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.ports import free_port
from tests.servers.sink import SECRET, Sink

SCENARIO = """
name: two
wearers: {count: 2, waist: 1.0}
buttons: 1
sos: [{at_s: 3, who: 1}]
vitals: {every_s: 2}
"""


def carecircle(*arguments: str, settings: Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    done = subprocess.run(
        [sys.executable, "-m", "carecircle", *arguments],
        env={**environment, "CARECIRCLE_SETTINGS": str(settings), "COLUMNS": "200"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done


class Site:
    """A folder set up with the commands, and the servers it names."""

    def __init__(self, folder: Path, influx: InfluxServer, sink: Sink) -> None:
        self.settings = folder / "carecircle.toml"
        self.settings.write_text("")
        self.port, self.console_port = free_port(), free_port()
        self.etc = folder / "mosquitto"
        scenario = folder / "two.yaml"
        scenario.write_text(SCENARIO)
        self.scenario = scenario
        who = members(load_scenario(scenario))
        devices = [option for member in who for option in ("--device", member.device)]
        carecircle(
            "setup", "mosquitto", "--out", str(self.etc), "--port", str(self.port), *devices, settings=self.settings
        )
        self.data_dir = folder / "data"
        self.text = f"""
data_dir = "{self.data_dir}"

[broker]
url = "mqtt://127.0.0.1:{self.port}"
username = "carecircle"
password_file = "{self.etc}/carecircle.password"
command_username = "carecircle-cmd"
command_password_file = "{self.etc}/carecircle-cmd.password"

[store]
url = "{influx.url}"
token = "{influx.token}"

[alerts]
public_url = "https://care.example"

[console]
port = {self.console_port}
"""
        self.settings.write_text(self.text)
        write_district(folder / "district", who, webhook_url=sink.url("notify"), webhook_secret=SECRET)
        self.district = folder / "district"

    def doctor(self, *, ok: bool) -> dict[str, dict[str, str]]:
        """The findings by what they are about."""
        said = json.loads(carecircle("doctor", "--json", settings=self.settings, ok=ok).stdout)
        return {finding["what"]: finding for finding in said}


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer, sink: Sink) -> Site:
    """Set up, nothing started."""
    return Site(tmp_path, influx, sink)


@pytest.fixture
def broker(site: Site, tmp_path: Path) -> Iterator[Mosquitto]:
    """The broker with the generated configuration."""
    config = site.etc / "mosquitto.conf"
    if os.geteuid() == 0:  # mosquitto gives root up, and may not read into a test's folder then
        config.write_text(config.read_text() + "\nuser root\n")
    with Mosquitto(tmp_path / "broker", config=config, port=site.port) as started:
        yield started


@pytest.mark.heavy
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("broker")
def test_a_site_is_set_up_run_checked_and_stopped_with_the_commands(
    site: Site, influx: InfluxServer, sink: Sink, tmp_path: Path
) -> None:
    """setup, import, doctor, run, simulate with the devices' own passwords, SOS to webhook, doctor, SIGTERM."""
    carecircle("registry", "check", str(site.district), settings=site.settings)
    carecircle("registry", "import", str(site.district), settings=site.settings)
    assert site.doctor(ok=True)["registry"]["level"] == "ok"
    running = subprocess.Popen(
        [sys.executable, "-m", "carecircle", "run", "--settings", str(site.settings)],
        stderr=(tmp_path / "run.log").open("w"),
    )
    try:
        wait_until((site.data_dir / "state" / "gateway.subscribed").exists, 30, "the gateway is subscribed")
        truth = tmp_path / "truth.json"
        carecircle(
            "simulate", str(site.scenario), "--broker", f"mqtt://127.0.0.1:{site.port}", "--seconds", "12",
            "--passwords", str(site.etc / "devices.csv"), "--truth", str(truth), "--source", "synthetic",
            settings=site.settings,
        )  # fmt: skip
        (press,) = json.loads(truth.read_text())["sos"]
        assert press["acked_ms"] is not None, "the button was told that its call arrived"
        (call,) = [request for request in sink.wait_for(1) if request.genuine][:1]
        assert call.data["kind"] == "sos"
        assert call.data["ack_url"].startswith("https://care.example/ack/")
        wait_until(lambda: influx.count("vitals", "hr") >= 8, 20, "the vitals are in the store")
        wait_until((site.data_dir / "state" / "gateway.json").exists, 20, "the statistics are written")
        findings = site.doctor(ok=True)
        assert {what for what, finding in findings.items() if finding["level"] == "problem"} == set()
        assert findings["broker login carecircle-cmd"]["level"] == "ok"
        assert findings["broker login"]["found"] == "carecircle: in use by the running gateway"
        assert findings["console"]["level"] == "ok"
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    engine = registry.create_engine(f"sqlite:///{site.data_dir}/carecircle.db")
    (incident,) = queries.open_incidents(engine)
    assert incident.kind == "sos"
    assert (tmp_path / "run.log").read_text().count("ended with") == 0


def test_the_doctor_names_what_is_wrong_and_what_to_do(site: Site, influx: InfluxServer) -> None:
    """No broker, no tables; then a wrong token, and a secret that cannot be read."""
    findings = site.doctor(ok=False)
    assert findings["broker"]["level"] == "problem"
    assert "refused" in findings["broker"]["found"]
    assert "CARECIRCLE_BROKER__URL" in findings["broker"]["advice"]
    assert findings["store"]["level"] == "ok"
    assert findings["database"]["level"] == "warning"
    assert not site.data_dir.exists(), "looking makes nothing"
    site.settings.write_text(site.text.replace(influx.token, "carecircle:wrong"))
    assert site.doctor(ok=False)["store"]["level"] == "problem"
    site.settings.write_text(site.text.replace("carecircle.password", "nowhere.password"))
    done = carecircle("run", "--role", "gateway", settings=site.settings, ok=False)
    assert "nowhere.password" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("broker")
def test_the_doctor_tells_a_refused_login_from_an_accepted_one(site: Site) -> None:
    """The gateway's password is wrong; the command publisher's is right."""
    (site.etc / "carecircle.password").write_text("wrong")
    findings = site.doctor(ok=False)
    assert findings["broker login carecircle"]["level"] == "problem"
    assert findings["broker login carecircle"]["advice"]
    assert findings["broker login carecircle-cmd"]["level"] == "ok"


def test_a_misspelt_setting_is_named(site: Site) -> None:
    """In the file it is an error, in the environment a warning of the doctor."""
    site.settings.write_text('brocker = "x"\n')
    done = carecircle("doctor", settings=site.settings, ok=False)
    assert "brocker" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_passwords_file_of_setup_is_what_simulate_reads(site: Site) -> None:
    """One row a device, user and password."""
    with (site.etc / "devices.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert all(len(row) == 2 for row in rows)
    assert {user for user, _ in rows} - {"user"} == {m.device for m in members(load_scenario(site.scenario))}
