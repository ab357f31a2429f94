"""What a reply means: the words and keys that responders send back, and which incident they mean. Pure.

Only what is in the table counts, and only when nothing stands beside it: "I cannot go" has "go" in it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.standing import Meaning, Stand

#: The keys, on a telephone and in a text message.
KEYS: dict[str, Meaning] = {
    "1": Meaning.ACKNOWLEDGE,
    "2": Meaning.CANNOT_COME,
    "3": Meaning.NEED_HELP,
    "4": Meaning.EN_ROUTE,
    "5": Meaning.ON_SCENE,
}
#: The words, without spaces and apostrophes, lower case.
_WORDS: dict[Meaning, str] = {
    Meaning.ACKNOWLEDGE: "ok okay y yes go igo illgo iwillgo iamgoing 收到 好 好的 是 去 我去 我会去 可以",
    Meaning.CANNOT_COME: "n no cant cannot icant icannot cannotcome cantcome icannotcome icantcome cannotgo icannotgo "
    "icantgo 不 不能 我不能 不去 不能去 我不能去 去不了 我去不了 来不了 不行 没空 否",
    Meaning.NEED_HELP: "help needhelp ineedhelp sendhelp 帮助 帮忙 需要帮助 需要支援 支援 求助",
    Meaning.EN_ROUTE: "onmyway iamonmyway imonmyway omw 出发 出发了 已出发 我出发了 我已出发 在路上 路上",
    Meaning.ON_SCENE: "here iamhere imhere arrived ihavearrived 到了 我到了 已到 已到达 到达 我已到达",
}
_BY_WORD = {word: meaning for meaning, words in _WORDS.items() for word in words.split()} | KEYS
#: No reply of the table is longer, its code and stray marks included.
_LONGEST = 60
_CODE = re.compile(r"(.+?)([1-9][0-9]{2})")
_FIRST_CODE, _CODES = 100, 900


@dataclass(frozen=True, slots=True)
class Understood:
    """The meaning of a reply, None when it has none, and the code of the incident, "" without one."""

    meaning: Meaning | None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An incident that a responder was told of, or has."""

    incident: str
    stand: Stand

    @property
    def code(self) -> str:
        """What stands for the incident in a reply."""
        return code_of(self.incident)


@dataclass(frozen=True, slots=True)
class Choice:
    """The incident that a reply is about; None when there is none or when it must be said which of ``among``."""

    incident: Told | None
    among: tuple[Told, ...] = ()


def understand(text: str) -> Understood:
    """The meaning of a text message or of the keys that were pressed: a key or a word of the table, and behind it the
    code where there is one. Full-width digits, spaces, punctuation and upper case make no difference."""
    if len(text) > _LONGEST:
        return Understood(None)
    plain = unicodedata.normalize("NFKC", text).casefold()
    packed = "".join(mark for mark in plain if mark.isalnum())
    if packed in _BY_WORD:
        return Understood(_BY_WORD[packed])
    with_code = _CODE.fullmatch(packed)
    if with_code is not None and with_code[1] in _BY_WORD:
        return Understood(_BY_WORD[with_code[1]], with_code[2])
    return Understood(None)


def code_of(incident: str) -> str:
    """Three digits that stand for an incident, the same in all its messages; they can be pressed on a telephone. Two
    open incidents of one responder have the same once in 900 times; they are then told apart by their links."""
    digest = hashlib.blake2b(incident.encode(), digest_size=4, person=b"reply code").digest()
    return str(_FIRST_CODE + int.from_bytes(digest, "big") % _CODES)


def choose(told: Sequence[Told], understood: Understood) -> Choice:
    """Which incident a reply is about; ``told`` has the newest first.

    With a code, the one that has it. Without, the one open incident that the reply can be meant for: where they are
    wanted, or what they have. Where there is none of these the newest one, so that the answer can say who has it or
    that it is over; where there are several, none.
    """
    if understood.code:
        coded = tuple(one for one in told if one.code == understood.code)
        return Choice(coded[0]) if len(coded) == 1 else Choice(None, coded or _open(told))
    mine = tuple(one for one in told if one.stand.mine)
    free = tuple(one for one in told if one.stand.wanted)
    match understood.meaning:
        case Meaning.ACKNOWLEDGE:
            meant = free or mine
        case Meaning.CANNOT_COME:
            meant = free + mine
        case _:
            meant = mine or free
    if len(meant) > 1:
        return Choice(None, meant)
    return Choice(next(iter((*meant, *_open(told), *told)), None))


def _open(told: Sequence[Told]) -> tuple[Told, ...]:
    return tuple(one for one in told if not one.stand.over)
