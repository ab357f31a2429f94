"""The command as an engineer uses it, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from firmware_sim.truth import Truth
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    """``carecircle simulate`` with these arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "carecircle", "simulate", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_simulation_ends_cleanly_on_ctrl_c_and_leaves_its_truth(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Without --seconds it goes on; SIGINT drains, says goodbye, writes the file and succeeds."""
    (tmp_path / "small.yaml").write_text("{name: small, wearers: {count: 6}, buttons: 1}")
    truth_file = tmp_path / "truth.json"
    arguments = [str(tmp_path / "small.yaml"), "--broker", mosquitto.url, "--source", "synthetic"]
    with MqttDevice(mosquitto.port, "listener", listen="care/v1/+/motion") as listener:
        process = start(*arguments, "--truth", str(truth_file))
        deadline = time.monotonic() + 30
        while len(listener.received) < 6:
            assert time.monotonic() < deadline, "no motion"
            time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    truth = Truth.load(truth_file)
    assert truth.devices == 7
    assert sum(key[1] == "motion" for key in list(truth.keys())) >= 6
    assert "motion: synthetic" in out
    assert f"{truth.messages_published} messages published" in out.replace("\n", " ")


def test_what_cannot_be_simulated_is_said_in_a_line(tmp_path: Path) -> None:
    """No traceback: a wrong field with its path, a broker that is not there by its address."""
    (tmp_path / "wrong.yaml").write_text("{name: t, wearers: {count: -1}}")
    wrong = start(str(tmp_path / "wrong.yaml"))
    port = free_port()
    away = start("quiet", "--broker", f"mqtt://127.0.0.1:{port}", "--seconds", "1.5", "--drain", "0")
    _, err = wrong.communicate(timeout=20)
    assert wrong.returncode == 2
    assert "$.wearers.count" in err
    assert "Traceback" not in err
    out, err = away.communicate(timeout=20)
    assert away.returncode == 3, err
    assert f"127.0.0.1:{port}" in out.replace("\n", "")
