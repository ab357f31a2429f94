"""What an emergency service is told: where, who, what happened when, and whom to call back. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from alerts.sentences import Facts, clock_of, kind_name, sentence
from alerts.texts import TextMessage, fits, fitted
from registry import Directory, PersonEntry
from registry.policies import EMERGENCY

_WORDS = {
    "en": {
        "lives_alone": "lives alone",
        "disabled": "disabled",
        "very_old": "very old",
        "dementia": "dementia",
        "hypertension": "high blood pressure",
        "diabetes": "diabetes",
        "heart_failure": "heart failure",
        "copd": "COPD",
        "stroke": "stroke before",
    },
    "zh": {
        "lives_alone": "独居",
        "disabled": "失能",
        "very_old": "高龄",
        "dementia": "失智",
        "hypertension": "高血压",
        "diabetes": "糖尿病",
        "heart_failure": "心力衰竭",
        "copd": "慢阻肺",
        "stroke": "曾患卒中",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What is known of somebody and their home; texts are "" and numbers None where it is not. The registry has no
    ages. ``keys`` are names and phones of who has a key to the door; ``callback`` is the phone of the district desk."""

    facts: Facts
    lat: float | None = None
    lon: float | None = None
    phone: str = ""
    risks: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    callback: str = ""


def is_emergency(roles: Iterable[str]) -> bool:
    """Whether somebody with these roles gets this text."""
    return EMERGENCY in roles


def key_facts(facts: Facts, person: PersonEntry | None, directory: Directory, now_ms: int) -> KeyFacts:
    """The facts of a sentence, and what the registry adds for who has to find the door. Never a door code."""
    desk = next((one.phone for one in directory.desk(now_ms) if one.phone), "")
    if person is None:
        return KeyFacts(facts=facts, callback=desk)
    holders = [
        directory.responders[one.responder]
        for one in directory.contacts.get(person.key, ())
        if one.has_key and one.responder in directory.responders
    ]
    return KeyFacts(
        facts=facts,
        lat=person.lat,
        lon=person.lon,
        phone=person.phone,
        risks=person.risks,
        conditions=person.conditions,
        keys=tuple(" ".join(part for part in (one.name, one.phone) if part) for one in holders),
        callback=desk,
    )


def known_words(words: Iterable[str], language: str) -> list[str]:
    """Risks and conditions as they are called in a language; others as they stand."""
    return [_WORDS[language].get(word, word) for word in words]


def emergency_text(
    known: KeyFacts, language: str, zone: ZoneInfo, link: str, *, short: bool, repeat: bool
) -> TextMessage:
    """A text for the dispatcher: with ``short`` one text message, the door and the call back before everything else,
    and ``link``, by which they take it, only where nothing has to be cut for it."""
    if short:
        words = _short(known, language, zone, repeat=repeat)
        return TextMessage("", f"{words} {link}" if fits(f"{words} {link}") else fitted(words))
    kind, who = kind_name(known.facts.kind, language), known.facts.person or known.facts.device
    again = {"en": "Sent again: ", "zh": "重发："}[language] if repeat else ""
    lines = "\n".join(emergency_lines(known, language, zone))
    if language == "zh":
        return TextMessage(f"{again}紧急求助：{kind}，{who}", f"{lines}\n\n打开链接并点按按钮接警：\n{link}")
    return TextMessage(
        f"{again}Emergency: {kind}, {who}", f"{lines}\n\nTo take it, open this and press the button:\n{link}"
    )


def emergency_lines(known: KeyFacts, language: str, zone: ZoneInfo) -> list[str]:
    """One line for each thing that is known, the door first."""
    facts, zh = known.facts, language == "zh"
    comma, unknown = ("、", "未知") if zh else (", ", "not known")
    place = comma.join(part for part in (facts.address, facts.area) if part)
    where = "" if known.lat is None or known.lon is None else f"{known.lat:.5f}, {known.lon:.5f}"
    names = ("地址", "坐标", "人员", "情况", "须知", "电话", "有钥匙者", "请回电") if zh else (
        "Address", "Coordinates", "Who", "What", "Known", "Phone", "Has a key", "Call back"
    )  # fmt: skip
    who = facts.person or (f"设备 {facts.device}" if zh else f"device {facts.device}")
    age = "年龄未知" if zh else "age not known"
    said = comma.join(known_words((*known.risks, *known.conditions), language))
    texts = (
        place or unknown, where, f"{who}{comma}{age}", _what(facts, language, zone), said, known.phone,
        comma.join(known.keys), known.callback,
    )  # fmt: skip
    colon = "：" if zh else ": "
    return [f"{name}{colon}{text}" for name, text in zip(names, texts, strict=True) if text]


def emergency_data(known: KeyFacts, language: str, zone: ZoneInfo) -> dict[str, Any]:
    """What the body of a webhook has besides what everybody's has."""
    return {
        "text": "\n".join(emergency_lines(known, language, zone)),
        "phone": known.phone,
        "risks": list(known.risks),
        "conditions": list(known.conditions),
        "keys": list(known.keys),
        "callback": known.callback,
    }


def _what(facts: Facts, language: str, zone: ZoneInfo) -> str:
    """The sentences without who and where: those have lines of their own."""
    bare = replace(facts, address="", area="")
    return sentence(bare, language, zone)


def _short(known: KeyFacts, language: str, zone: ZoneInfo, *, repeat: bool) -> str:
    facts, zh = known.facts, language == "zh"
    again = ("重发：" if zh else "Again: ") if repeat else ""
    call = ("请回电" if zh else "Call back ") + known.callback if known.callback else ""
    parts = (
        f"{again}{kind_name(facts.kind, language)} {clock_of(facts.onset_ms, facts.now_ms, zone)}",
        facts.address or facts.area,
        call,
        facts.person or facts.device,
        *known_words((*known.risks, *known.conditions), language),
    )
    return " ".join(" ".join(part for part in parts if part).split())
