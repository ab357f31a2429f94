"""What a message says, in the responder's language (English or Chinese). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a sentence is made of. ``person`` and ``address`` are "" when nobody is known."""

    kind: str
    person: str
    address: str
    area: str
    device: str
    onset_ms: int
    now_ms: int
    historical: bool


_KINDS = {
    "en": {"fall": "Fall", "sos": "SOS call"},
    "zh": {"fall": "跌倒", "sos": "紧急呼叫"},
}


def language_of(languages: tuple[str, ...]) -> str:
    """The language that a message is written in: the first one that there are texts for, else English."""
    return next((code for tag in languages if (code := tag.lower().partition("-")[0]) in _KINDS), "en")


def local_iso(at_ms: int, zone: ZoneInfo) -> str:
    """An instant as ISO 8601 local time with its offset, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")


def sentence(facts: Facts, language: str, zone: ZoneInfo) -> str:
    """One sentence or two: what, who, where, when; for something past, first that it is past."""
    onset, now = (datetime.fromtimestamp(ms / 1000, zone) for ms in (facts.onset_ms, facts.now_ms))
    at = onset.strftime("%H:%M") if onset.date() == now.date() else onset.strftime("%Y-%m-%d %H:%M")
    kind = _KINDS[language].get(facts.kind, facts.kind)
    place = [part for part in (facts.address, facts.area) if part]
    if language == "zh":
        who = facts.person or f"设备 {facts.device} 未登记使用者，请核实"
        where = "，".join(place)
        text = f"{kind}：{who}" + (f"，{where}" if where else "")
        return f"此事发生于 {at}。{text}。" if facts.historical else f"{text}，{at}。"
    who = facts.person or f"device {facts.device}, which is assigned to nobody: find out who wears it"
    where = ", ".join(place)
    text = f"{kind}: {who}" + (f", {where}" if where else "")
    return f"This happened at {at}. {text}." if facts.historical else f"{text}, at {at}."
