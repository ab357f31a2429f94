"""Messages for people to read, in English and Chinese: one with everything, and a short one for text messages. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.sentences import AREA_TROUBLE, Facts, clock_of, kind_name, sentence

#: What fits one text message: 160 characters of the GSM alphabet, or 70 of any other (3GPP TS 23.038, section 6.2).
GSM_LIMIT = 160
OTHER_LIMIT = 70
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: These take the room of two.
_GSM_TWICE = frozenset("^{}\\[~]|€")
#: Fewer characters than this say nothing: then the link is left out.
_LEAST_WORDS = 12
_SEVERITIES = {
    "en": {"info": "for information", "warning": "please look", "urgent": "urgent", "critical": "very urgent"},
    "zh": {"info": "提示", "warning": "请查看", "urgent": "紧急", "critical": "特急"},
}


@dataclass(frozen=True, slots=True)
class TextMessage:
    """``title`` is "" where a message has none."""

    title: str
    body: str


def title_text(facts: Facts, language: str, severity: str, *, repeat: bool) -> str:
    """One line: what, how urgent, who. ``repeat``: it may have arrived before, and says so."""
    kind, urgency = kind_name(facts.kind, language), _SEVERITIES[language].get(severity, severity)
    who = facts.person or facts.device
    if language == "zh":
        return f"{'重发：' if repeat else ''}{kind}（{urgency}）：{who}"
    return f"{'Sent again: ' if repeat else ''}{kind} ({urgency}): {who}"


def long_text(facts: Facts, language: str, zone: ZoneInfo, link: str, *, beside: bool = False) -> str:
    """The sentences of the incident, and the link with what it is for; ``beside``: for who only has to know."""
    said = sentence(facts, language, zone)
    if beside and language == "zh":
        return f"{said}\n\n我们正在呼叫救援人员。若您已知晓，请打开链接并点按按钮（不影响呼叫）：\n{link}"
    if beside:
        return f"{said}\n\nResponders are being called. To say that you know, open this and press the button:\n{link}"
    if language == "zh":
        return f"{said}\n\n接警、不能去、需要帮助：请打开链接并点按按钮（仅打开不会改变任何内容）：\n{link}"
    return (
        f"{said}\n\nTo take it, say that you cannot come or need help: open this and press a button (opening alone "
        f"changes nothing):\n{link}"
    )


def short_text(
    facts: Facts, language: str, zone: ZoneInfo, link: str, *, repeat: bool, hint: str = "", must_hint: bool = False
) -> str:
    """What, when, who, where and ``link`` in one text message; the address is cut first, then the name.

    A link that leaves no room for words is left out. ``hint``, how to answer, stands where nothing has to be cut for
    it, or with ``must_hint`` where words are left beside it.
    """
    again = {"en": "Again: ", "zh": "重发："}[language] if repeat else ""
    head = f"{again}{kind_name(facts.kind, language)} {clock_of(facts.onset_ms, facts.now_ms, zone)}"
    who = facts.person or ("" if facts.kind == AREA_TROUBLE else facts.device)
    words = " ".join(part for part in (head, who, facts.address or facts.area) if part)
    words = " ".join(words.split())
    if hint:
        least = _LEAST_WORDS if must_hint else _width(words)
        if _room(words, f"{hint} {link}") >= least:
            link = f"{hint} {link}"
    room = _room(words, link)
    return f"{_cut(words, room)} {link}" if room >= _LEAST_WORDS else _cut(words, _limit(words))


def fitted(words: str) -> str:
    """The words, or as many as one text message has room for."""
    return _cut(words, GSM_LIMIT if _size(words) is not None else OTHER_LIMIT)


def fits(text: str) -> bool:
    """Whether a text is one text message and no more."""
    size = _size(text)
    return len(text) <= OTHER_LIMIT if size is None else size <= GSM_LIMIT


def _limit(text: str) -> int:
    return GSM_LIMIT if _size(text) is not None else OTHER_LIMIT


def _room(words: str, link: str) -> int:
    """For words beside a link, as much as one text message of both has."""
    return _limit(f"{words} {link}") - _width(link) - 1


def _size(text: str) -> int | None:
    """How much room a text takes in the GSM alphabet; None when it has other characters."""
    if not set(text) <= _GSM | _GSM_TWICE:
        return None
    return _width(text)


def _width(text: str) -> int:
    return len(text) + sum(character in _GSM_TWICE for character in text)


def _cut(words: str, room: int) -> str:
    """The words, or as many of them as there is room for, with two dots at the end."""
    if _width(words) <= room:
        return words
    kept = words
    while kept and _width(kept) + 2 > room:
        kept = kept[:-1]
    return kept.rstrip(" ,，") + ".."
