"""What the console needs to know, handed in by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from console.errors import (
    LINK_KEY_LENGTH,
    BadLinkKeyError,
    BadPublicUrlError,
    UnknownLanguageError,
    UnknownTimeZoneError,
)
from console.texts import LANGUAGES


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """Attributes:
        link_key: what acknowledgement links are signed with, the same as that of alerts; at least 16 characters.
        public_url: where a responder's phone reaches the links, ``https://care.example.org``; "" when only this
            machine does. Requests for its host get the link pages and nothing else.
        time_zone: of the times on the pages, a tz database name.
        language: of a page when the browser asks for none that the console has.
        poll_s: how often one loop per process asks the database for its revision.
        heartbeat_s: how often a stream without news says that it is alive.
        acknowledge_target_s, arrival_target_s: what the running clocks count against.
        recent_h: how long a resolved incident stays on the board.

    Raises:
        BadLinkKeyError, UnknownTimeZoneError, UnknownLanguageError, BadPublicUrlError: a value that cannot work.
    """

    link_key: str
    public_url: str = ""
    time_zone: str = "UTC"
    language: str = "en"
    poll_s: float = 0.2
    heartbeat_s: float = 10.0
    acknowledge_target_s: int = 60
    arrival_target_s: int = 15 * 60
    recent_h: float = 24.0

    def __post_init__(self) -> None:
        if len(self.link_key) < LINK_KEY_LENGTH:
            raise BadLinkKeyError(len(self.link_key))
        if self.language not in LANGUAGES:
            raise UnknownLanguageError(self.language, LANGUAGES)
        if self.public_url and not self.public_host:
            raise BadPublicUrlError(self.public_url)
        _ = self.zone

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        try:
            return ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise UnknownTimeZoneError(self.time_zone) from error

    @cached_property
    def public_host(self) -> str:
        """The host name of ``public_url``, lower case; "" without one."""
        try:
            parts = urlsplit(self.public_url)
            return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
        except ValueError as error:
            raise BadPublicUrlError(self.public_url) from error
