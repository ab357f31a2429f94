"""The connection for what goes down to the devices under a login of its own, where the settings name one."""

from __future__ import annotations

from collections.abc import Callable

from ingest.gateway_settings import GatewaySettings
from ingest.mqtt.connection import Receiver, ReceiverEvents
from ingest.mqtt.packets import Connect

#: What comes are acknowledgements and answers to pings.
_CAPACITY = 1 << 16


def publishing_only(
    settings: GatewaySettings, user: str, lost: Callable[[], None], published: Callable[[int, int], None]
) -> Receiver:
    """A connection of ``user`` that subscribes to nothing; the broker forgets it when it ends.

    Args:
        settings: where the broker is.
        user: also the client id; the password is ``settings.command_password``.
        lost: the connection is gone.
        published: see :class:`ReceiverEvents`.
    """
    connect = Connect(
        user,
        user,
        settings.command_password,
        keepalive_s=round(settings.keepalive_s),
        clean_start=True,
        session_expiry_s=0,
        maximum_packet_bytes=_CAPACITY,
    )
    events = ReceiverEvents(
        connected=_ignore, arrived=lambda: connection.discard(), lost=lost, published=published, subscribed=_ignore
    )
    connection = Receiver("gateway commands", settings, connect, events, capacity=_CAPACITY)
    return connection


def _ignore(_: bool) -> None:
    return
