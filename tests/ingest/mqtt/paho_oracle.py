"""paho reads a byte stream as a client: what it makes of it, and what it answers."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho


@dataclass
class Heard:
    """``messages`` are (topic, payload, qos, retain, dup, mid) as they came; the rest by their callbacks."""

    messages: list[tuple[bytes, bytes, int, bool, bool, int]] = field(default_factory=list)
    connected: list[tuple[bool, int]] = field(default_factory=list)
    subscribed: list[tuple[int, ...]] = field(default_factory=list)
    published: list[tuple[int, int]] = field(default_factory=list)
    dismissed: list[int] = field(default_factory=list)
    sent: bytes = b""


def paho_hears(stream: bytes, level: int) -> Heard:
    """Connect, subscribe (packet 1) and publish with QoS 1 (packet 2), then read ``stream`` to its end."""
    heard = Heard()
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id="oracle",
        protocol=paho.MQTTv5 if level == 5 else paho.MQTTv311,
        reconnect_on_failure=False,
        **({} if level == 5 else {"clean_session": False}),
    )
    client.suppress_exceptions = False
    client.max_inflight_messages_set(0)

    def on_message(_: Any, __: Any, m: paho.MQTTMessage) -> None:
        heard.messages.append((m._topic, m.payload, m.qos, m.retain, m.dup, m.mid))

    client.on_message = on_message
    client.on_connect = lambda _, __, flags, code, ___: heard.connected.append((flags.session_present, code.value))
    client.on_subscribe = lambda _, __, ___, codes, ____: heard.subscribed.append(tuple(c.value for c in codes))
    client.on_publish = lambda _, __, mid, code, ___: heard.published.append((mid, code.value))

    def on_disconnect(_: Any, __: Any, flags: Any, code: Any, ___: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            heard.dismissed.append(code.value)

    client.on_disconnect = on_disconnect
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        client.connect("127.0.0.1", server.getsockname()[1])
        broker, _ = server.accept()
        with broker:
            client.subscribe("care/#", 1)
            client.publish("care/x", b"own", qos=1)
            broker.sendall(stream)
            broker.shutdown(socket.SHUT_WR)
            while client.loop_read() == paho.MQTT_ERR_SUCCESS:
                client.loop_write()
            if client.socket() is not None:
                client.disconnect()
            while data := broker.recv(1 << 16):
                heard.sent += data
    return heard
