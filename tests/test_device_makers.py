"""The page for device makers: its example runs as it stands, against the real broker and gateway."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.gateway_settings import GatewaySettings
from telemetry.codec import Motion, decode
from telemetry.errors import Reason
from telemetry.messages import Event, Status, Vitals
from telemetry.topics import parse_topic
from tests.servers.gateway import GatewayThread, raw_messages
from tests.servers.mosquitto import Mosquitto

PAGE = (Path(__file__).parents[1] / "docs" / "device-makers.md").read_text()


@pytest.mark.parametrize(("number", "also"), [(0, "motion"), (1, "vitals")], ids=["paho", "aiomqtt"])
def test_an_example_runs_until_its_call_for_help_is_acknowledged(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], number: int, also: str
) -> None:
    """Logged in by password; status, readings and the SOS are in the journal, and the device has heard so."""
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    broker = start_mosquitto(
        passwords={"carecircle": "gate", "w-1": "wearer"}, options=["use_username_as_clientid true"]
    )
    settings = GatewaySettings(port=broker.port, username="carecircle", password="gate")
    with GatewayThread(settings, tmp_path):
        subprocess.run(
            [sys.executable, "-c", example, "127.0.0.1", str(broker.port), "w-1", "wearer"], check=True, timeout=30
        )
    received = {}
    for message in raw_messages(tmp_path):
        device, stream = parse_topic(message.topic)
        assert device == "w-1"
        received[stream.value] = decode(stream, message.payload)
    assert set(received) == {"status", "event", also}
    status, reading, event = received["status"], received[also], received["event"]
    assert isinstance(status, Status)
    assert status.online
    if isinstance(reading, Motion):
        assert reading.acc_g().tolist() == [[0, 0, 1]] * 50
    else:
        assert isinstance(reading, Vitals)
        assert (reading.hr, reading.spo2) == (72, 97)
    assert isinstance(event, Event)
    assert event.type == "sos"
    assert status.boot == reading.boot == event.boot


def test_every_reason_that_a_device_maker_can_cause_is_explained() -> None:
    """What stands in the quarantine's list has a line on the page."""
    explained = {Reason(name) for name in re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)}
    assert explained == set(Reason) - {Reason.STORE_REJECTED, Reason.INTERNAL}
