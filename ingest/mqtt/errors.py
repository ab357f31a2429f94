"""What goes wrong on an MQTT connection. Each says what the broker did, and which reason code answers it."""

from __future__ import annotations

from ingest.mqtt.reasons import Code, describe


class MqttError(Exception):
    """The root of all of them."""


class ProtocolError(MqttError):
    """The broker sent what MQTT does not allow. The connection is of no use any more; the session is.

    Attributes:
        code: what DISCONNECT tells the broker, of :class:`ingest.mqtt.reasons.Code`.
        detail: what was wrong, with the value.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{describe(code)}: {detail}")
        self.code = code
        self.detail = detail


class NotConnectedError(MqttError):
    """Something was to be sent while there is no connection: ask for ``is_up`` first."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs a connection that the broker has accepted: look at is_up before")
