"""One message through Apprise (https://github.com/caronc/apprise): its services, and the result by name.

Apprise is asked in a thread, as it waits for sockets. It says whether a service took the message, and why not in words
of its log only: an HTTP status is read out of these, and without one the message is tried again.
"""

from __future__ import annotations

import functools
import re

from apprise import Apprise, AppriseAsset, AppriseResultStatus, NotifyType
from apprise.plugins.base import NotifyBase

from alerts.delivery import SendResult
from alerts.reasons import Reason
from alerts.texts import TextMessage
from alerts.webhook import judge

#: A service that takes no more than this at once carries text messages.
_SHORT_CHARACTERS = 200
_STATUS = re.compile(r"\berror=(\d{3})\b")
_NO_CONNECTION = re.compile(r"connection error|i/o error", re.IGNORECASE)
#: What an address may hold that nobody is to read in a time line.
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*):(//)?\S*//?\S+", re.IGNORECASE)
#: The name that services show; no pictures, which phones would fetch from elsewhere.
_ASSET = AppriseAsset(
    app_id="CareCircle", app_desc="CareCircle", app_url="", image_url_mask="", image_url_logo="", async_mode=False
)


@functools.lru_cache(maxsize=4096)
def is_short(url: str) -> bool:
    """Whether a channel's url leads to a service of text messages, by how much that takes at once."""
    service = _service(url)
    return service is not None and int(service.body_maxlen) <= _SHORT_CHARACTERS


def send_apprise(url: str, message: TextMessage, timeout_s: float) -> SendResult:
    """Send, and say what came of it. Blocks for up to twice ``timeout_s``, to connect and to be answered."""
    service = _service(url)
    if service is None:
        return SendResult(Reason.BAD_CHANNEL, error="the url is none that Apprise can use: see `registry check`")
    service.socket_connect_timeout = service.socket_read_timeout = timeout_s
    sender = Apprise(asset=_ASSET)
    sender.add(service)
    result = sender.notify(body=message.body, title=message.title, notify_type=NotifyType.WARNING)
    if result.status == AppriseResultStatus.SUCCESS:
        return SendResult(Reason.DELIVERED)
    return judge_words([entry.message for entry in result.logs()])


def judge_words(said: list[str]) -> SendResult:
    """What the log of a send that failed means for a notification. Addresses are taken out: they hold passwords."""
    words = _ADDRESS.sub(r"\1://...", " ".join(said))[:300] or "the service did not take the message"
    status = _STATUS.search(words)
    if status is not None and int(status[1]) >= 300:
        judged = judge(int(status[1]))
        return SendResult(judged.reason, judged.recoverable, words)
    if _NO_CONNECTION.search(words):
        return SendResult(Reason.CONNECT_FAILED, recoverable=True, error=words)
    return SendResult(Reason.NOT_TAKEN, recoverable=True, error=words)


def _service(url: str) -> NotifyBase | None:
    service = Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True)
    return service if isinstance(service, NotifyBase) else None
