"""A responder's channels: which are used at once, which takes over when one does not deliver, how many a minute. Pure.

The order in the registry is the order of preference. A console row and a siren cost nobody anything and are used at
each call; of the others the first is, and the next joins when it does not deliver.
"""

from __future__ import annotations

import hashlib

from alerts.delivery import Settled, Status
from alerts.reasons import Reason
from registry import ChannelEntry, ResponderEntry

#: Used at every call, beside the first of the others.
_AT_EVERY_CALL = frozenset({"console", "siren"})
#: The next channel joins after so many failed attempts, two or three seconds with the delays between them, and at once
#: after one without an answer, as that took its part of the responder's 30 s.
JOIN_ATTEMPTS = 3
#: The window of limits.
WINDOW_MS = 60_000
#: Messages a minute that these services take of one group robot. DingTalk refuses all for ten minutes after more
#: (https://open.dingtalk.com/document/group/custom-robot-access).
SERVICE_LIMITS: dict[str, int] = {"dingtalk": 20, "wecombot": 20, "feishu": 100, "lark": 100}


def channels_of(responder: ResponderEntry) -> dict[str, ChannelEntry]:
    """The channels by name: the type, and from the second of a type on its number (``webhook``, ``webhook-2``)."""
    named: dict[str, ChannelEntry] = {}
    counts: dict[str, int] = {}
    for channel in responder.channels:
        counts[channel.type] = count = counts.get(channel.type, 0) + 1
        named[channel.type if count == 1 else f"{channel.type}-{count}"] = channel
    return named


def type_of(name: str) -> str:
    """The type of a channel, from its name."""
    return name.partition("-")[0]


def first_channels(responder: ResponderEntry) -> tuple[str, ...]:
    """The names of the channels that a call begins with, in the responder's order."""
    names = list(channels_of(responder))
    first = next((name for name in names if type_of(name) not in _AT_EVERY_CALL), None)
    return tuple(name for name in names if name == first or type_of(name) in _AT_EVERY_CALL)


def next_channel(responder: ResponderEntry, failing: str) -> str | None:
    """The channel that takes over from ``failing``; None when it is the last, or no longer among them."""
    names = [name for name in channels_of(responder) if type_of(name) not in _AT_EVERY_CALL]
    if failing not in names:
        return None
    rest = names[names.index(failing) + 1 :]
    return rest[0] if rest else None


def is_time_to_join(settled: Settled, attempt: int) -> bool:
    """Whether the next channel joins after an attempt (from 1)."""
    if settled.status is Status.PENDING:
        return attempt >= JOIN_ATTEMPTS or settled.reason is Reason.TIMEOUT
    return settled.status is Status.FAILED


def limit_of(channel: ChannelEntry) -> int | None:
    """How many messages a minute the channel may have: its own number, else that of its service; None without end."""
    if channel.per_minute is not None:
        return channel.per_minute
    return SERVICE_LIMITS.get(channel.url.partition("://")[0].lower()) if channel.type == "apprise" else None


def target_of(channel: ChannelEntry) -> str:
    """What a limit counts by: the same for all who share an address, such as the robot of a group."""
    return hashlib.blake2b(f"{channel.type}\0{channel.url}".encode(), digest_size=12).hexdigest()
