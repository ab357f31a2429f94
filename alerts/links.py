"""Acknowledge links: signed, expiring, good for one responder about one incident.

Opening a link (GET) shows a page and changes nothing, as mail scanners and chat previews open every link they see; the
button on that page (POST) acknowledges.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer

from alerts.errors import LinkError, LinkFault

#: Where the console serves the page; the token follows.
ACK_PATH = "/ack/"
_SALT = "carecircle.acknowledge.v1"


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What a link says: who may acknowledge what, by which message, and until when."""

    incident: str
    responder: str
    notification: str
    expires_ms: int


def make_link(public_url: str, key: str, claims: LinkClaims) -> str:
    """The URL of a signed link below ``public_url``."""
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


def _serializer(key: str) -> URLSafeSerializer:
    if len(key) < 16:
        raise ValueError("the key that signs links needs at least 16 characters: set a long random one")
    return URLSafeSerializer(key, salt=_SALT, signer_kwargs={"digest_method": _sha256, "key_derivation": "hmac"})


def _sha256(data: bytes = b"") -> hashlib._Hash:
    return hashlib.sha256(data)
