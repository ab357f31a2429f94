"""What keeps a responder's channel from working."""

from __future__ import annotations

import logging
import re

from registry.entries import ChannelEntry
from telemetry.topics import DEVICE_PATTERN


def channel_problem(channel: ChannelEntry) -> str | None:
    """What keeps a channel from working, in words; None when nothing does. A url with passwords is not repeated."""
    match channel.type:
        case "console":
            return "a console channel takes no url and secret" if channel.url or channel.secret else None
        case "siren":
            right = re.fullmatch(DEVICE_PATTERN, channel.url) and not channel.secret
            return None if right else f"a siren needs the id of its device as url, and no more (it is {channel.url!r})"
        case "apprise":
            return _apprise_problem(channel)
        case "webhook":
            return _webhook_problem(channel)
    return f"channel type {channel.type!r} is none of webhook, apprise, siren, console"


def _webhook_problem(channel: ChannelEntry) -> str | None:
    if not re.match(r"https?://[^/\s]+", channel.url):
        return f"a webhook needs a url that starts with https:// or http:// (it is {channel.url!r})"
    if not re.fullmatch(r"(whsec_)?[A-Za-z0-9+/]{16,}={0,2}", channel.secret):
        return "a webhook needs a secret: whsec_ and at least 16 characters of base64 (24 random bytes are usual)"
    return None


def _apprise_problem(channel: ChannelEntry) -> str | None:
    from apprise import Apprise  # takes long to import, and only who uses it needs it

    if channel.secret:
        return "an apprise channel takes no secret: what its service needs stands in the url"
    log = logging.getLogger("apprise")
    before, log.disabled = log.disabled, True  # it says what is wrong with the url and passwords in it
    try:
        known = Apprise.instantiate(channel.url, suppress_exceptions=True) is not None
    finally:
        log.disabled = before
    kind = channel.url.partition("://")[0]
    return (
        None if known else f"the url ({kind}://...) is none that Apprise can use: see https://appriseit.com/services/"
    )
