"""What goes down to the devices under a login of its own, where the settings name one: published with paho."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

import paho.mqtt.client as paho

from ingest.gateway_settings import GatewaySettings
from ingest.mqtt_link import Link, LinkEvents
from ingest.mqtt_opening import Login


class CommandPublisher:
    """A :class:`ingest.mqtt_outbox.Publisher` that is driven by :meth:`poll`, a few dozen times a second."""

    def __init__(
        self, settings: GatewaySettings, user: str, lost: Callable[[], None], published: Callable[[int], None]
    ) -> None:
        self._selector = selectors.DefaultSelector()
        events = LinkEvents(
            connected=_ignore, lost=lost, published=published, subscribed=_ignore, message=_ignore_message
        )
        login = Login(user, user, settings.command_password, clean_session=True)
        self._link = Link("gateway commands", settings, login, events, self._selector)

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted the connection and it is not known to be lost."""
        return self._link.is_up

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1. Only while :attr:`is_up`."""
        return self._link.publish(topic, payload)

    def poll(self) -> None:
        """Connect, read and write, as far as it goes without waiting."""
        link, now_s = self._link, time.monotonic()
        link.advance(now_s)
        link.register()
        if link.has_buffered() or self._selector.select(0):
            link.read(now_s, _everything)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._link.flush()

    def close(self) -> None:
        """Leave."""
        self._link.close()
        self._selector.close()


def _ignore(_: bool) -> None:
    return


def _ignore_message(_client: paho.Client, _userdata: object, _message: paho.MQTTMessage) -> None:
    return


def _everything() -> bool:
    return False
