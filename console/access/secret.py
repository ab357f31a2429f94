"""Random secrets, and what is kept of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def draw() -> str:
    """256 random bits, to be put into a cookie or an address."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a random secret. It needs no salt: nobody can go through 256 bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def form_token(secret: str) -> str:
    """What forms of the holder of ``secret`` must carry; it does not lead back to it."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
