"""The links of messages: signed, expiring, good for one responder about one incident.

Opening a link (GET) shows a page and changes nothing, as mail scanners and chat previews open every link they see; the
buttons on that page (POST) acknowledge and say what else there is to say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer

from alerts.errors import LinkError, LinkFault

#: Where the console serves the page; the token follows.
ACK_PATH = "/ack/"
#: A short link leads from here to that page; the code follows.
SHORT_PATH = "/a/"
#: Where replies by text message and telephone come in; the name of the provider follows.
REPLY_PATH = "/replies/"
_SALT = "carecircle.acknowledge.v1"
_KEY_TOO_SHORT = "the key that signs links needs at least 16 characters: set a long random one"


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What a link says: who may answer for what, by which message, and until when."""

    incident: str
    responder: str
    notification: str
    expires_ms: int


def make_link(public_url: str, key: str, claims: LinkClaims) -> str:
    """The URL of a signed link below ``public_url``. The name of a button behind it (``/cannot_come``) makes it the
    link for that."""
    return public_url.rstrip("/") + ACK_PATH + make_token(key, claims)


def make_token(key: str, claims: LinkClaims) -> str:
    """The signed token of a link, safe in a URL."""
    body = [claims.incident, claims.responder, claims.notification, claims.expires_ms]
    return _serializer(key).dumps(body)


def read_link(token: str, key: str, now_ms: int) -> LinkClaims:
    """The claims of a token that we signed.

    Raises:
        LinkError: it was not signed with ``key``, was changed, or has expired.
    """
    try:
        incident, responder, notification, expires_ms = _serializer(key).loads(token)
    except (BadData, TypeError, ValueError):
        raise LinkError(LinkFault.FORGED) from None
    if now_ms >= expires_ms:
        raise LinkError(LinkFault.EXPIRED)
    return LinkClaims(incident, responder, notification, expires_ms)


def short_code(key: str, notification: str) -> str:
    """13 letters and digits that nobody can guess (65 bits), the same for the same message: for a link that must fit
    into a text message. What it stands for is kept in the database."""
    if len(key) < 16:
        raise ValueError(_KEY_TOO_SHORT)
    digest = hmac.digest(key.encode(), b"carecircle.short.v1\0" + notification.encode(), "sha256")
    return base64.b32encode(digest).decode().lower()[:13]


def make_short_link(public_url: str, code: str) -> str:
    """The URL of a short link below ``public_url``."""
    return public_url.rstrip("/") + SHORT_PATH + code


def _serializer(key: str) -> URLSafeSerializer:
    if len(key) < 16:
        raise ValueError(_KEY_TOO_SHORT)
    return URLSafeSerializer(key, salt=_SALT, signer_kwargs={"digest_method": _sha256, "key_derivation": "hmac"})


def _sha256(data: bytes = b"") -> hashlib._Hash:
    return hashlib.sha256(data)
