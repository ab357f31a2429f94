"""The probe against the whole system: an SOS that comes through, and what happens when it does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import registry
from alerts.lifecycle import Outcome, State
from firmware_sim.scenario import Member
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.outside import mail_server, outside_server
from tests.servers.ports import free_port
from tests.servers.sink import SECRET, Sink

ACL = """\
user carecircle
topic read care/v1/+/event
topic read care/v1/+/status
topic write care/v1/+/cmd
topic read care/v1/+/+
user probe-1
topic write care/v1/probe-1/event
topic read care/v1/probe-1/cmd
"""


def carecircle(system: System, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command in the system's environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    return subprocess.run(
        [sys.executable, "-m", "carecircle", *arguments],
        env=environment | system.environment | more, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def doctor(system: System) -> dict[str, Any]:
    """What ``carecircle doctor`` says of the probe."""
    found: list[dict[str, Any]] = json.loads(carecircle(system, "doctor", "--json").stdout)
    return next(finding for finding in found if finding["what"] == "probe")


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_an_sos_of_the_probe_takes_the_whole_way_and_the_operator_hears_when_it_does_not(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], sink: Sink
) -> None:
    """It comes through, with credentials of its own: heartbeat, no page, nobody called, closed as a test. The processor
    is gone: no heartbeat, one page by mail, however many rounds. It is back: one page that says so."""
    broker = start_mosquitto(passwords={"carecircle": "gateway-password", "probe-1": "probe-password"}, acl=ACL)
    port = free_port()
    with outside_server() as outside, mail_server() as mail:
        environment = {
            "CARECIRCLE_BROKER__PASSWORD": "gateway-password",
            "CARECIRCLE_PROBE__DEVICE": "probe-1",
            "CARECIRCLE_PROBE__PASSWORD": "probe-password",
            "CARECIRCLE_PROBE__LISTEN_PORT": str(port),
            "CARECIRCLE_PROBE__SECRET": SECRET,
            "CARECIRCLE_PROBE__EVERY_S": "2",
            "CARECIRCLE_PROBE__START_S": "0.1",
            "CARECIRCLE_PROBE__WITHIN_S": "3",
            "CARECIRCLE_PROBE__HEARTBEAT_URL": outside.url("alive"),
            "CARECIRCLE_PROBE__MAIL__HOST": "127.0.0.1",
            "CARECIRCLE_PROBE__MAIL__PORT": str(mail.port),
            "CARECIRCLE_PROBE__MAIL__SECURITY": "none",
            "CARECIRCLE_PROBE__MAIL__USERNAME": "carecircle",
            "CARECIRCLE_PROBE__MAIL__PASSWORD": "mail-password",
            "CARECIRCLE_PROBE__MAIL__SENDER": "carecircle@example.org",
            "CARECIRCLE_PROBE__MAIL__TO": '["operator@example.org"]',
        }
        members = [Member("wrist-00001", "p-00001", "wearable", "wrist")]
        system = System(
            tmp_path, members, broker_url=broker.url, webhook_url=sink.url("notify"), environment=environment
        )
        folder = tmp_path / "probe"
        folder.mkdir()
        (folder / "devices.yaml").write_text("- {id: probe-1, kind: test}\n")
        (folder / "responders.yaml").write_text(
            f"- {{id: probe, name: Probe, area: {registry.directory(system.engine).root}, roles: [test],"
            f' channels: [{{type: webhook, url: "http://127.0.0.1:{port}/", secret: "{SECRET}"}}]}}\n'
        )
        assert registry.import_folder(system.engine, folder).applied
        with system:
            once = carecircle(system, "probe", "--json", CARECIRCLE_PROBE__WITHIN_S="30")  # alerts may still start
            assert once.returncode == 0, (once.stdout, once.stderr, system.log("alerts"))
            seen = json.loads(once.stdout)["seen"]
            assert 0 < seen["taken_s"] <= seen["received_s"] < 30
            assert seen["acknowledged_s"] is not None
            assert (outside.calls, mail.mails) == ([], [])  # one look tells nobody
            system.supervisor.add_role("probe")
            wait_until(lambda: len(outside.calls) >= 2, 20, f"two heartbeats\n{system.log('probe')}")
            wait_until(lambda: doctor(system)["level"] == "ok", 20, "the doctor is content")
            os.kill(system.supervisor.process_ids()["processor"], signal.SIGSTOP)  # it hangs, and is not started again
            wait_until(lambda: bool(mail.mails), 20, f"a page\n{system.log('probe')}")
            beats = len(outside.calls)
            said = doctor(system)
            wait_until(lambda: rounds(system) >= 2, 20, "a second round has failed")
            assert (len(outside.calls), len(mail.mails)) == (beats, 1)
            os.kill(system.supervisor.process_ids()["processor"], signal.SIGCONT)
            wait_until(lambda: len(mail.mails) >= 2, 20, f"a page that it works again\n{system.log('probe')}")
            wait_until(lambda: len(outside.calls) > beats, 10, "the heart beats again")
            incidents = system.incidents()
    failed, again = mail.mails[:2]
    assert "the gateway has the SOS, but no message came" in said["found"]
    assert "does not work" in failed["Subject"]
    assert "gateway has the SOS" in failed.get_content()
    assert "works again" in again["Subject"]
    assert (failed["To"], mail.logins[0]) == ("operator@example.org", ("carecircle", "mail-password"))
    assert sink.received == []
    assert {(one.kind, one.severity.value) for one in incidents} == {("test", "critical")}
    assert {one.outcome for one in incidents if one.state is State.RESOLVED} == {Outcome.TEST}


def rounds(system: System) -> int:
    """How many rounds have failed in a row."""
    found: int = json.loads((system.settings.state_dir / "probe.json").read_text())["standing"]["rounds"]
    return found
