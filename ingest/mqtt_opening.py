"""Opening a connection to the broker, aside from the loop that will drive it."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ingest.gateway_settings import GatewaySettings


@dataclass(frozen=True)
class Login:
    """Who a link is to the broker. With ``clean_session`` False the broker keeps its subscriptions and queue."""

    client_id: str
    username: str | None
    password: str | None = field(repr=False)
    clean_session: bool


class Opening(threading.Thread):
    """Resolve, connect and shake hands aside: any of it may hang, and the loop has messages to commit meanwhile.

    When it is not alive any more, either ``client`` is connected, its CONNECT queued and not yet sent, or ``error``
    says why not.
    """

    def __init__(self, settings: GatewaySettings, login: Login) -> None:
        super().__init__(name="mqtt-open", daemon=True)
        self.client: paho.Client | None = None
        self.error = ""
        self._settings = settings
        self._login = login
        self.start()

    def run(self) -> None:
        settings, login = self._settings, self._login
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=login.clean_session,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = settings.connect_timeout_s
        client.max_inflight_messages_set(0)  # the owner has a window of its own
        # With this set, paho queues and leaves it to the link when to write.
        client.on_socket_register_write = _do_nothing
        if login.username is not None:
            client.username_pw_set(login.username, login.password)
        try:
            if settings.tls:
                context = ssl.create_default_context(cafile=settings.ca)
                if settings.cert is not None:
                    context.load_cert_chain(settings.cert, settings.key)
                client.tls_set_context(context)
            client.connect(settings.host, settings.port, keepalive=round(settings.keepalive_s))
        except (OSError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error}"
            return
        self.client = client


def _do_nothing(*_: object) -> None:
    return
