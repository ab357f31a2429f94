"""Passwords: which are taken, and how they are kept.

Argon2id with 46 MiB, one pass, one lane, the first choice of the OWASP Password Storage Cheat Sheet: 45 ms of a core,
where RFC 9106's second choice takes 155 ms on machines that detect falls beside it. What is refused follows
NIST SP 800-63B, 5.1.1.2: length, and what attackers try first; no rules about kinds of characters.
"""

from __future__ import annotations

import threading
import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from console.access.errors import BadPasswordError

MIN_LENGTH = 10
_MAX_LENGTH = 256
#: Each takes a core and 46 MiB while it is computed.
_AT_ONCE = threading.BoundedSemaphore(2)
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
#: What a name that nobody has is compared with, so that the answer takes as long: the hash of a random text.
_NOBODY = _hasher.hash("nobody has this password: 5f0f3a9c0e1b4d0b8b2f")
#: What is left of the usual lists of leaked passwords at this length, once digits and marks at the end are cut off,
#: and letters that stand for others are read as those.
_COMMON = frozenset(
    """
    password passwort passw letmein welcome iloveyou qwerty qwertyuiop qwertyuio qwertz qwertzuiop azerty azertyuiop
    asdfghjkl asdfghjklzxcvbnm zxcvbnm qazwsx qazwsxedc zaqxsw zxcvbnmasdfghjkl qwertyqwerty qwertasdfg
    abcdefghij abcdefgh abcdefghijk abcdefg abcdef abcabc abcabcabc aabbccdd
    administrator admin adminadmin superadmin root rootroot changeme changeit default secret topsecret master
    monkey dragon football baseball basketball superman batman sunshine princess starwars trustno trustnoone whatever
    computer internet michael jennifer jordan shadow charlie jessica michelle liverpool manchester chelsea arsenal
    carecircle care nurse doctor hospital station responder coordinator clinician engineer community emergency
    woaini woainima woaiwojia woaini1314 wodemima mima mimamima tianshi nihao nihaoma zhongguo beijing shanghai
    chongqing caonima
    passwordpassword testtest test testing tester guest guestguest user login hello helloworld welcomewelcome
    """.split()  # noqa: SIM905 - a list of strings would be three times as long
)
_LOOKS_LIKE = str.maketrans("@4301!$57", "aaeoiisst")


def check_password(password: str, *names: str) -> None:
    """Whether a new password will do for somebody called ``names``.

    Raises:
        BadPasswordError: it is too short, too long, too common, or holds a name.
    """
    if len(password) < MIN_LENGTH:
        raise BadPasswordError("short")
    if len(password) > _MAX_LENGTH:
        raise BadPasswordError("long")
    plain = _folded(password)
    letters = plain.rstrip("0123456789!@#$%^&*()-_=+.,?~ ")
    readings = {plain, letters, letters.translate(_LOOKS_LIKE), plain.lstrip("0123456789")}
    few = len(set(plain)) < 5
    runs = all(abs(ord(one) - ord(two)) <= 1 for one, two in pairwise(plain))
    if few or runs or not letters or readings & _COMMON:
        raise BadPasswordError("common")
    if any(len(name) >= 4 and _folded(name) in plain for name in names):
        raise BadPasswordError("name")


def hash_password(password: str) -> str:
    """The hash to keep, with its parameters in it."""
    with _AT_ONCE:
        return _hasher.hash(_normal(password))


def is_password(kept: str, password: str) -> bool:
    """Whether ``password`` is the one whose hash is ``kept``; "" takes as long and is nobody's."""
    with _AT_ONCE:
        try:
            return _hasher.verify(kept or _NOBODY, _normal(password[: _MAX_LENGTH + 1])) and bool(kept)
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with weaker parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """The same for the same text, however a keyboard composes it."""
    return unicodedata.normalize("NFKC", password)


def _folded(text: str) -> str:
    return _normal(text).casefold()
