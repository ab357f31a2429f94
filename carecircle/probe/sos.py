"""One synthetic SOS over the broker, as a device sends it, and what became of it."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from alerts.fusion import incident_id
from carecircle.probe.receipt import TestChannel
from carecircle.probe.verdict import Seen
from carecircle.settings import Settings
from detectors.detection import detection_id
from detectors.event import DETECTOR
from telemetry.codec import decode_command, encode_json
from telemetry.errors import TelemetryError
from telemetry.messages import Event
from telemetry.topics import Stream, topic

#: How often it is looked whether to stop.
_LOOK_S = 0.25


def send_sos(settings: Settings, channel: TestChannel, stop: threading.Event | None = None) -> Seen:
    """Log in as the probe's device, press the button, and wait ``probe.within_s`` at most for its acknowledgement and
    for the message on the test channel, less when ``stop`` is set meanwhile. Never raises: what goes wrong is what was
    looked for."""
    probe = settings.probe
    press = _Press(probe.device, settings.probe_password())
    broker = settings.broker
    try:
        if broker.tls:
            press.client.tls_set(
                str(broker.ca_file) if broker.ca_file else None,
                str(broker.cert_file) if broker.cert_file else None,
                str(broker.key_file) if broker.key_file else None,
            )
        press.client.connect_timeout = min(10.0, probe.within_s)
        press.client.connect(broker.host, broker.port, keepalive=30)
        press.client.loop_start()
        if not press.listens.wait(min(10.0, probe.within_s)):
            return Seen(error=press.refusal or f"the broker {broker.url} does not answer")
        return press.go(channel, probe.within_s, stop or threading.Event())
    except (OSError, ValueError) as error:
        return Seen(error=f"the broker {broker.url}: {error}")
    finally:
        press.client.disconnect()
        press.client.loop_stop()


class _Press:
    """One connection, one press of the button."""

    def __init__(self, device: str, password: str | None) -> None:
        self.listens = threading.Event()
        self.refusal = ""
        self._device = device
        self._boot = secrets.randbits(32)
        self._told = threading.Event()
        self._told_s = 0.0
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device)
        self.client.username_pw_set(device, password)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.listens.set()
        self.client.on_message = self._on_message

    def go(self, channel: TestChannel, within_s: float, stop: threading.Event) -> Seen:
        """Publish, and wait."""
        event = Event(t=time.time_ns() // 1_000_000, boot=self._boot, seq=0, type="sos")
        incident = incident_id(detection_id(self._device, DETECTOR, self._boot, 0))
        start_s = time.monotonic()
        sent = self.client.publish(topic(self._device, Stream.EVENT), encode_json(event), qos=1)
        try:
            sent.wait_for_publish(within_s)
        except (RuntimeError, ValueError) as error:  # the connection is gone
            return Seen(error=str(error))
        if not sent.is_published():
            return Seen()
        taken_s = time.monotonic() - start_s
        received_s = None
        while (left_s := start_s + within_s - time.monotonic()) > 0 and not stop.is_set():
            if received_s is None:
                received_s = channel.wait(incident, min(_LOOK_S, left_s))
            elif self._told.wait(min(_LOOK_S, left_s)):
                break
        return Seen(
            taken_s=taken_s,
            acknowledged_s=self._told_s - start_s if self._told.is_set() else None,
            received_s=None if received_s is None else received_s - start_s,
        )

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self.refusal = f"the broker refuses the device {self._device}: {code}"
            return
        client.subscribe(topic(self._device, Stream.CMD), 1)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            command = decode_command(bytes(message.payload))
        except TelemetryError:
            return
        if command.type == "ack" and (command.boot, command.seq) == (self._boot, 0):
            self._told_s = time.monotonic()
            self._told.set()
