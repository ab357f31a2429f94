"""A plain MQTT client that plays a device: publishes with QoS 1 and notes what it is sent."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

import paho.mqtt.client as paho

from telemetry.codec import decode_command
from telemetry.messages import Command
from tests.servers.mosquitto import TlsFiles


class MqttDevice:
    """Connected from the start until closed. ``received`` has (topic, payload, retain) of what came."""

    def __init__(
        self,
        port: int,
        name: str,
        *,
        password: str | None = None,
        client_id: str | None = None,
        tls: TlsFiles | None = None,
        listen: str | None = None,
        clean_session: bool = True,
        acknowledges: bool = True,
    ) -> None:
        self.name = name
        self.received: list[tuple[str, bytes, bool]] = []
        self.refusals: list[str] = []
        self.disconnects = 0
        self._up = threading.Event()
        self._listening = threading.Event()
        self._listen = f"care/v1/{name}/cmd" if listen is None else listen
        self._published = 0
        self._acknowledged = 0
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=name if client_id is None else client_id,
            clean_session=clean_session,
            manual_ack=not acknowledges,
        )
        # mosquitto drops the connection of a 3.1.1 client whose publish the ACL refuses.
        self.client.reconnect_delay_set(0.02, 1)
        self.client.max_inflight_messages_set(500)
        if password is not None:
            self.client.username_pw_set(name, password)
        if tls is not None:
            self.client.tls_set(str(tls.ca), str(tls.client_cert), str(tls.client_key))
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._listening.set()
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        self.client.on_message = lambda _, __, m: self.received.append((m.topic, m.payload, m.retain))
        self.client.connect("127.0.0.1", port, keepalive=30)
        self.client.loop_start()
        assert self._up.wait(10), f"{name} cannot log in: {self.refusals}"
        assert self._listening.wait(10), f"{name} cannot subscribe"

    def _on_connect(self, client: paho.Client, _: Any, __: Any, code: Any, ___: Any) -> None:
        if code.is_failure:
            self.refusals.append(str(code))
            return
        self._up.set()
        client.subscribe(self._listen, 1)

    def _on_disconnect(self, *_: Any) -> None:
        self.disconnects += 1

    def _on_publish(self, *_: Any) -> None:
        self._acknowledged += 1

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish; a topic without a slash is one of this device's own streams."""
        full = topic if "/" in topic else f"care/v1/{self.name}/{topic}"
        self._published += 1
        self.client.publish(full, payload, qos=qos, retain=retain)

    def vitals(self, count: int, *, first: int = 0, boot: int = 1) -> None:
        """Publish ``count`` vitals messages with rising ``seq``."""
        for seq in range(first, first + count):
            self.publish("vitals", f'{{"t":1,"boot":{boot},"seq":{seq},"hr":60}}')

    def flush(self, timeout_s: float = 20.0) -> None:
        """Wait until the broker has acknowledged everything."""
        deadline = time.monotonic() + timeout_s
        while self._acknowledged < self._published:
            assert time.monotonic() < deadline, f"{self.name}: the broker does not acknowledge"
            time.sleep(0.005)

    @property
    def commands(self) -> list[Command]:
        """The commands that have arrived."""
        return [decode_command(payload) for topic, payload, _ in list(self.received) if topic.endswith("/cmd")]

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
