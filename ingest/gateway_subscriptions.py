"""Which subscriptions the broker is asked for when a connection is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ingest.gateway_settings import GatewaySettings
from ingest.gateway_state import GatewayState


class Subscriber(Protocol):
    """The connection that asks."""

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for these."""

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End these."""


class Subscriptions:
    """``active`` says whether everything that is wanted will come.

    The broker keeps subscriptions with its session, and sends what it retains whenever one is asked for: so they are
    asked for again only where the session is new, or is not known to have them.
    """

    def __init__(
        self, settings: GatewaySettings, state: GatewayState, filters: Sequence[str], hub_filters: Sequence[str]
    ) -> None:
        self.active = False
        self.filters = [*filters, *hub_filters]
        self._hub_filters = list(hub_filters)
        self._state = state
        self._session = [settings.host, str(settings.port), settings.receiver_id]

    def connected(self, link: Subscriber, session_present: bool) -> None:
        """Ask for what this session lacks."""
        where = [*self._session, *self.filters]
        before = self._state.subscribed()
        known = len(self._session)
        if session_present and before[:known] == self._session:
            # the broker would go on with what the settings had and have no more
            link.unsubscribe([one for one in before[known:] if one not in self.filters])
        if not session_present or before != where:
            self._state.forget_subscription()
            link.subscribe(self.filters)
            return
        self.active = True
        if self._hub_filters:
            # Asked again, the broker tells what it keeps: which devices a hub has, and whether it runs. Both go out
            # with QoS 0, which no session waits for.
            link.subscribe(self._hub_filters)

    def granted(self) -> None:
        """The broker has granted what it was asked for."""
        self.active = True
        self._state.note_subscription([*self._session, *self.filters])

    def lost(self) -> None:
        """The connection is gone."""
        self.active = False
