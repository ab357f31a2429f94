"""Who may bring replies, and in what form: signatures first, then what was sent. Pure.

``standard`` is for any bridge: JSON signed as Standard Webhooks has it (https://www.standardwebhooks.com). ``twilio``
is the form of Twilio's webhooks, whose signature has no time; a repeat is known by the id of the message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import msgspec
from msgspec import Meta, Struct, field
from standardwebhooks import Webhook

from alerts.links import REPLY_PATH
from alerts.replies import Incoming
from console.errors import ReplyError, ReplyFault

STANDARD, TWILIO = "standard", "twilio"
#: More than the longest text message in the form of either takes.
MAX_BYTES = 16 * 1024
#: How far the clocks of two machines may be apart, and a message on its way.
_TOLERANCE_S = 300
_MAX_FIELDS = 100
_MAX_SIGNATURES = 8
_VOICES = {"en": "en-US", "zh": "zh-CN"}
_KEYS_WAIT_S = 10


class _Reply(Struct, frozen=True, kw_only=True):
    """The JSON of ``standard``: what was written in ``text``, or pressed in ``digits``."""

    sender: Annotated[str, Meta(min_length=1, max_length=40)] = field(name="from")
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    text: Annotated[str, Meta(max_length=2000)] = ""
    digits: Annotated[str, Meta(max_length=40)] = ""
    notification: Annotated[str, Meta(max_length=64)] = ""
    code: Annotated[str, Meta(max_length=8)] = ""


@dataclass(frozen=True, slots=True)
class CallBegins:
    """Somebody calls and has pressed nothing yet."""

    sender: str


_decode = msgspec.json.Decoder(_Reply).decode


def read_standard(secret: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> Incoming:
    """The reply in a signed request.

    Raises:
        ReplyError: not signed with ``secret`` (of Standard Webhooks, in base64) within five minutes, or no such JSON.
    """
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()
    if not (message and stamp and signatures):
        raise ReplyError(ReplyFault.UNSIGNED)
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise ReplyError(ReplyFault.FORGED)
    try:
        signed = body.decode()
    except UnicodeDecodeError:
        raise ReplyError(ReplyFault.FORGED) from None
    try:
        at = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise ReplyError(ReplyFault.FORGED) from None
    right: str = Webhook(secret).sign(message, at, signed)
    if not any(_same(right, given) for given in signatures[:_MAX_SIGNATURES]):
        raise ReplyError(ReplyFault.FORGED)
    if abs(int(stamp) * 1000 - now_ms) > _TOLERANCE_S * 1000:
        raise ReplyError(ReplyFault.STALE)
    try:
        reply = _decode(body)
    except msgspec.MsgspecError:
        raise ReplyError(ReplyFault.UNREADABLE) from None
    said = reply.digits or reply.text
    return Incoming(
        provider=STANDARD,
        message=reply.id,
        sender=reply.sender,
        via="voice" if reply.digits else "sms",
        text=f"{said} {reply.code}" if reply.code else said,
        notification=reply.notification,
    )


def read_twilio(
    token: str, public_url: str, query: str, headers: Mapping[str, str], body: bytes
) -> Incoming | CallBegins:
    """The reply in a request of Twilio (https://www.twilio.com/docs/usage/webhooks/webhooks-security): a text message,
    keys pressed in a call, or a call that begins. ``public_url`` is the address that Twilio knows this place by.

    Raises:
        ReplyError: not signed with ``token``, or not one of these three.
    """
    given = headers.get("x-twilio-signature", "")
    if not given:
        raise ReplyError(ReplyFault.UNSIGNED)
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ReplyError(ReplyFault.FORGED) from None
    address = public_url.rstrip("/") + REPLY_PATH + TWILIO + (f"?{query}" if query else "")
    rights = [twilio_signature(token, url, pairs) for url in _with_and_without_port(address)]
    if not any(_same(right, given) for right in rights):
        raise ReplyError(ReplyFault.FORGED)
    form = dict(pairs)
    call, digits = form.get("CallSid", ""), form.get("Digits", "")
    # in a call that we made, the number is that of who was called
    sender = form.get("To" if form.get("Direction", "").startswith("outbound") else "From", "")
    message = form.get("MessageSid") or form.get("SmsSid")
    if not sender or not (message or call) or (message and "Body" not in form):
        raise ReplyError(ReplyFault.UNREADABLE)
    if message:
        return Incoming(provider=TWILIO, message=message, sender=sender, via="sms", text=form["Body"])
    if not digits:
        return CallBegins(sender)
    return Incoming(provider=TWILIO, message=f"{call} {digits}", sender=sender, via="voice", text=digits)


def twilio_signature(token: str, url: str, pairs: list[tuple[str, str]]) -> str:
    """The value of ``X-Twilio-Signature``: HMAC-SHA1 over the address and the fields, sorted, without anything between
    them; a value that a field has twice counts once."""
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()


def twiml_message(answer: str) -> str:
    """An answer by text message; "" answers nothing."""
    return _twiml(f"<Message>{_xml(answer)}</Message>" if answer else "")


def twiml_say(answer: str, language: str) -> str:
    """An answer in a call, which then ends."""
    return _twiml(f"{_say(answer, language)}<Hangup/>")


def twiml_ask(answer: str, language: str) -> str:
    """Says something in a call and waits for keys, which come to the same address."""
    said = _say(answer, language)
    return _twiml(f'<Gather input="dtmf" finishOnKey="#" timeout="{_KEYS_WAIT_S}">{said}</Gather><Hangup/>')


def _say(answer: str, language: str) -> str:
    return f'<Say language="{_VOICES[language]}">{_xml(answer)}</Say>'


def _twiml(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _xml(text: str) -> str:
    return escape("".join(mark for mark in text if mark >= " " and not "\ud800" <= mark <= "\udfff"))


def _same(right: str, given: str) -> bool:
    return hmac.compare_digest(right.encode(), given.encode(errors="replace"))


def _with_and_without_port(address: str) -> list[str]:
    """The address as it stands, and with the usual port of its scheme the other way round: what is signed depends on
    what sent it."""
    parts = urlsplit(address)
    usual = {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.port is None:
        return [address, parts._replace(netloc=f"{host}:{usual}").geturl()]
    return [address, parts._replace(netloc=host).geturl()] if parts.port == usual else [address]
