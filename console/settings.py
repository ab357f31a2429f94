"""What the console needs to know, handed in by whoever starts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from phonenumbers import SUPPORTED_REGIONS

from console.errors import (
    LINK_KEY_LENGTH,
    BadLinkKeyError,
    BadPublicUrlError,
    BadReplySettingError,
    UnknownLanguageError,
    UnknownTimeZoneError,
)
from console.texts import LANGUAGES


@dataclass(frozen=True, kw_only=True)
class OidcSettings:
    """A provider of logins (OpenID Connect), and what its claims mean here.

    Attributes:
        issuer: its address; ``/.well-known/openid-configuration`` below it says the rest.
        client_id, client_secret: how it knows this console.
        label: how the button calls it.
        role_claim: the claim that has roles or groups; ``roles`` says which role each is.
        area_claim: the claim that has areas; ``areas`` says which area each is. Without ``areas`` it has dotted paths.
        default_areas: of who has no area by the claim.
        responder_claim: the claim that has the id of a responder in the registry; "" for none.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    label: str = ""
    scopes: str = "openid profile email"
    role_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    area_claim: str = ""
    areas: Mapping[str, str] = field(default_factory=dict)
    default_areas: tuple[str, ...] = ()
    responder_claim: str = ""


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
        store_url, store_token, store_org: the time series, as ``store.open_store`` takes them; "" for none.
        quarantine_dir, journal_dir: of this machine, for the quarantine and what is put back; None: it is not shown.
        login: whether people must log in. Without, whoever reaches the console may do everything: it then listens on
            this machine only, and shows others nothing but links. For the demo.
        metrics_open: whether programs on this machine read ``/metrics`` without a token.
        host_names: further names or addresses that requests may be for.
        trusted_proxies: addresses of reverse proxies, whose word on where a request comes from is taken.
        session_h, idle_h: after which a session ends: at the latest, and when it is not used.
        remember_d: how long a responder's phone stays logged in.
        oidc: logging in with the account of another organisation; None for not.
        reply_secret: what replies by any bridge are signed with (Standard Webhooks); "": none are taken.
        twilio_token: what Twilio signs replies with; it needs ``public_url``. "": none are taken.
        reply_country: of telephone numbers without a country code, ISO 3166.

    Raises:
        BadLinkKeyError, UnknownTimeZoneError, UnknownLanguageError, BadPublicUrlError, BadReplySettingError: a value
            that cannot work.
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
    store_url: str = ""
    store_token: str = ""
    store_org: str = ""
    quarantine_dir: Path | None = None
    journal_dir: Path | None = None
    login: bool = True
    metrics_open: bool = False
    host_names: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    session_h: float = 12.0
    idle_h: float = 2.0
    remember_d: float = 30.0
    oidc: OidcSettings | None = None
    reply_secret: str = ""
    twilio_token: str = ""
    reply_country: str = "CN"

    def __post_init__(self) -> None:
        if len(self.link_key) < LINK_KEY_LENGTH:
            raise BadLinkKeyError(len(self.link_key))
        if self.language not in LANGUAGES:
            raise UnknownLanguageError(self.language, LANGUAGES)
        if self.public_url and not self.public_host:
            raise BadPublicUrlError(self.public_url)
        _ = self.zone
        self._check_replies()

    def _check_replies(self) -> None:
        if self.reply_secret and not re.fullmatch(r"(whsec_)?[A-Za-z0-9+/]{32,}={0,2}", self.reply_secret):
            advice = "is no secret of Standard Webhooks: whsec_ and the base64 of at least 24 random bytes"
            raise BadReplySettingError("reply_secret", advice)
        if self.twilio_token and not self.public_url:
            raise BadReplySettingError("twilio_token", "needs public_url: Twilio signs the address that it calls")
        if self.reply_country not in SUPPORTED_REGIONS:
            raise BadReplySettingError("reply_country", f"{self.reply_country!r} is no country: use a code such as CN")

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
