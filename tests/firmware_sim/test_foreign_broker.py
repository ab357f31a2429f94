"""A broker with TLS, passwords and access rules: the command and the device to copy speak to a gateway through it."""

from __future__ import annotations

import csv
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.truth import Truth
from ingest.gateway_settings import GatewaySettings
from telemetry.codec import Motion, decode
from telemetry.messages import Event, Status, Vitals
from telemetry.topics import parse_topic
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto, make_tls

ROOT = Path(__file__).parents[2]
ACL = """\
user carecircle
topic read care/v1/#
topic write care/v1/+/cmd

pattern write care/v1/%u/motion
pattern write care/v1/%u/vitals
pattern write care/v1/%u/event
pattern write care/v1/%u/status
pattern read care/v1/%u/cmd
"""
SCENARIO = "{name: small, wearers: {count: 3, waist: 1}, buttons: 1, sos: [{at_s: 1, who: 1}], lasts_s: 2}"
PASSWORDS = {name: f"pw-{name}" for name in ("waist-00001", "waist-00002", "waist-00003", "button-00001", "w-1")}


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> Mosquitto:
    """Somebody else's."""
    return start_mosquitto(
        passwords=PASSWORDS | {"carecircle": "gate"}, acl=ACL, tls=make_tls(tmp_path / "tls"),
        options=["use_username_as_clientid true"],
    )  # fmt: skip


def carecircle(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "carecircle", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def simulate(broker: Mosquitto, folder: Path) -> None:
    """A run of two seconds, and what the command makes of it."""
    (folder / "small.yaml").write_text(SCENARIO)
    with (folder / "passwords.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("user", "password"), *PASSWORDS.items()])
    assert broker.tls is not None
    to = ["--broker", broker.url, "--ca", str(broker.tls.ca), "--source", "synthetic"]
    refused = carecircle("simulate", str(folder / "small.yaml"), *to)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "not authorised (CONNACK 5): log in by user:password in the URL or by --passwords FILE" in refused.stderr
    to += ["--passwords", str(folder / "passwords.csv"), "--run", str(folder / "run")]
    done = carecircle("simulate", str(folder / "small.yaml"), *to)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 calls for help, 1 acknowledged" in done.stdout


def test_a_run_and_a_copied_device_pass_a_broker_with_tls_passwords_and_rules(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """Calls are acknowledged from end to end, nothing is lost, and the copied device's stream has no gap."""
    assert broker.tls is not None
    settings = GatewaySettings(port=broker.port, username="carecircle", password="gate", tls=True, ca=broker.tls.ca)
    with GatewayThread(settings, tmp_path):
        device = subprocess.Popen(
            [sys.executable, ROOT / "docs" / "device_example.py", "localhost", str(broker.port), "w-1", "pw-w-1",
             broker.tls.ca], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert device.stdin is not None
        assert device.stdout is not None
        device.stdin.write("\n")
        device.stdin.flush()
        assert device.stdout.readline() == "SOS: the server has it\n"
        simulate(broker, tmp_path)
        device.send_signal(signal.SIGINT)
        device.communicate(timeout=10)
        wait_until(lambda: b'"online": false' in raw_messages(tmp_path)[-1].payload, what="the will")
    said = []
    for message in raw_messages(tmp_path):
        name, stream = parse_topic(message.topic)
        said.append((name, stream, decode(stream, message.payload)))
    got = [one for name, _, one in said if name == "w-1"]
    frames = [one for one in got if isinstance(one, Motion)]
    assert {later.t - one.t for one, later in itertools.pairwise(frames)} == {1000}
    assert abs(frames[0].t + 1000 - time.time_ns() // 1_000_000) < 60_000
    assert frames[0].acc.shape == (50, 3)
    assert any(isinstance(one, Vitals) for one in got)
    assert {one.seq for one in got if isinstance(one, Event)} == {1}
    assert [one.online for one in got if isinstance(one, Status)] == [True, False]
    truth = Truth.load(tmp_path / "run" / "truth.json")
    assert truth.messages_published >= 9
    assert set(truth.keys()) <= {(name, stream.value, one.boot, one.seq) for name, stream, one in said}
