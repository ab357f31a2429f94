"""Keys that seal what must not lie open in the database, and what a sealed text looks like. Pure.

A sealed text is ``sealed:<key id>:<base64>``: AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits before the
ciphertext. The place where it stands is authenticated with it, so that it cannot be put where another one stood.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from registry.errors import BadKeyError, SealedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "sealed:"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_ADVICE = "`carecircle registry rotate-key` makes one in the file that registry.key_file names"


class Keys:
    """Keys by their ids. The first seals, the others open what was sealed before."""

    def __init__(self, read: Callable[[], str]) -> None:
        """``read`` gives keys in base64, the newest first, between spaces, lines or commas. It is asked again when a
        text was sealed with a key that is not known, so that a running process takes up a new one.

        Raises:
            BadKeyError: no key, or one that is none.
        """
        self._read = read
        self._ciphers, self.newest = _parsed(read())

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, the newest first."""
        return tuple(self._ciphers)

    def seal(self, text: str, place: str) -> str:
        """``text`` as it may stand at ``place``; "" stays "", so that who has none can be counted."""
        if not text:
            return ""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[self.newest].encrypt(nonce, text.encode(), place.encode())
        return f"{PREFIX}{self.newest}:{base64.b64encode(sealed).decode()}"

    def knows(self, key: str) -> bool:
        """Whether there is a key of this id, now."""
        if key not in self._ciphers:
            self._ciphers, self.newest = _parsed(self._read())
        return key in self._ciphers

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed at ``place``.

        Raises:
            SealedError: by a key that is not there, at another place, or changed since.
        """
        from cryptography.exceptions import InvalidTag

        key = key_of(sealed)
        if not self.knows(key):
            raise SealedError(
                place, key, f"and the keys given are {', '.join(self.ids)}: give that one too, after the newest"
            )
        try:
            packed = base64.b64decode(sealed.rpartition(":")[2], validate=True)
            return self._ciphers[key].decrypt(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise SealedError(place, key, "but was changed or moved since: import it again") from None


def is_sealed(text: str) -> bool:
    """Whether a text is a sealed one."""
    return text.startswith(PREFIX)


def key_of(sealed: str) -> str:
    """The id of the key that sealed a text; "" where the text is open."""
    return sealed.split(":", 2)[1] if is_sealed(sealed) else ""


def opened(keys: Keys | None, text: str, place: str) -> str:
    """``text``, opened where it is sealed.

    Raises:
        SealedError: it cannot be, also because there are no keys.
    """
    if not is_sealed(text):
        return text
    if keys is None:
        raise SealedError(place, key_of(text), "and no key is set: set registry.key_file or CARECIRCLE_REGISTRY__KEY")
    return keys.open(text, place)


def draw_key() -> str:
    """A new key, in base64."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def _parsed(text: str) -> tuple[dict[str, AESGCM], str]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 6 MB, for those who have keys

    ciphers: dict[str, AESGCM] = {}
    for number, word in enumerate(filter(None, re.split(r"[\s,]+", text)), start=1):
        try:
            key = base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise BadKeyError(number, f"is not the base64 of {_KEY_BYTES} bytes: {_ADVICE}")
        ciphers[hashlib.blake2b(key, digest_size=4, person=b"carecircle key").hexdigest()] = AESGCM(key)
    if not ciphers:
        raise BadKeyError(1, f"is missing: {_ADVICE}")
    return ciphers, next(iter(ciphers))
