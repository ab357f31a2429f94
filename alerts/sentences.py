"""What a message says, in the responder's language (English or Chinese). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.drills import TEST_KIND

#: The kind of a finding about a whole area, and of its incident.
AREA_TROUBLE = "area_offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a sentence is made of. ``person`` and ``address`` are "" when nobody is known.

    ``follow_up`` is how it went on after a fall (no_movement, still_lying, got_up, unknown), "" while that is open.
    ``said`` is what the detector says of it, in the language of the message, "" where the kind says it all. ``helped``
    is the name of whoever has it and needs more people, ``hands_over`` of whoever asks the reader to take it over.
    """

    kind: str
    person: str
    address: str
    area: str
    device: str
    onset_ms: int
    said_ms: int | None
    now_ms: int
    historical: bool
    follow_up: str = ""
    said: str = ""
    helped: str = ""
    hands_over: str = ""


_KINDS = {
    "en": {
        "fall": "Fall",
        "sos": "SOS call",
        "smoke": "Smoke alarm",
        "gas": "Gas alarm",
        "news2": "Early warning score",
        "vitals_combination": "Vital signs together",
        "vitals_shift": "Vital signs not as usual",
        "vitals_limit": "Vital sign beyond its limit",
        "vitals_trend": "Change over days",
        "collapse": "No movement at home",
        "not_back": "Not back home",
        "not_out_of_bed": "Not out of bed",
        "bed_left": "Out of bed at night",
        "long_bathroom": "Long in the bathroom",
        "door_open": "Front door open",
        "no_kitchen": "Not in the kitchen",
        "no_bathroom": "Not in the bathroom",
        "wandering": "Wandering at night",
        "visit_missed": "Visit missed",
        AREA_TROUBLE: "Area without connection",
    },
    "zh": {
        "fall": "跌倒",
        "sos": "紧急呼叫",
        "smoke": "烟雾报警",
        "gas": "燃气报警",
        "news2": "早期预警评分",
        "vitals_combination": "多项体征异常",
        "vitals_shift": "体征与平时不同",
        "vitals_limit": "体征超限",
        "vitals_trend": "数日来的变化",
        "collapse": "家中无活动",
        "not_back": "外出未归",
        "not_out_of_bed": "未起床",
        "bed_left": "夜间离床",
        "long_bathroom": "卫生间停留过久",
        "door_open": "大门敞开",
        "no_kitchen": "未进厨房",
        "no_bathroom": "未进卫生间",
        "wandering": "夜间徘徊",
        "visit_missed": "未按时探访",
        AREA_TROUBLE: "区域断联",
    },
}
#: The languages that messages are written in. Findings carry their own sentences under these tags among their notes.
LANGUAGES: tuple[str, ...] = tuple(_KINDS)
#: How it went on after a fall; what is not in here is not said.
_FOLLOW_UPS = {
    "en": {
        "no_movement": "Did not move in the minute after the fall.",
        "still_lying": "Moved after the fall, but was not seen to get up.",
        "got_up": "Got up after the fall and walked.",
    },
    "zh": {
        "no_movement": "跌倒后一分钟内没有活动。",
        "still_lying": "跌倒后有活动，但未见起身。",
        "got_up": "跌倒后已起身行走。",
    },
}


def language_of(languages: tuple[str, ...]) -> str:
    """The language that a message is written in: the first one that there are texts for, else English."""
    return next((code for tag in languages if (code := tag.lower().partition("-")[0]) in _KINDS), "en")


def local_iso(at_ms: int, zone: ZoneInfo) -> str:
    """An instant as ISO 8601 local time with its offset, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")


def sentence(facts: Facts, language: str, zone: ZoneInfo) -> str:
    """A few sentences: what, who, where, when; for something past, first that it is past; then what the detector says
    of it, how it went on, and whom to help."""
    helps = {"en": f"{facts.helped} has it and needs more people.", "zh": f"{facts.helped}已接警，需要更多人手。"}
    follow_up = _FOLLOW_UPS[language].get(facts.follow_up, "")
    gives = {
        "en": f"{facts.hands_over} has it and asks you to take it over.",
        "zh": f"{facts.hands_over}已接警，请您接手。",
    }
    parts = [_happened(facts, language, zone), facts.said, follow_up]
    parts += [gives[language] if facts.hands_over else helps[language] if facts.helped else ""]
    return ("" if language == "zh" else " ").join(part for part in parts if part)


def kind_name(kind: str, language: str) -> str:
    """What a kind of incident is called."""
    return _KINDS[language].get(kind, kind)


def _happened(facts: Facts, language: str, zone: ZoneInfo) -> str:
    at = clock_of(facts.onset_ms, facts.now_ms, zone)
    said = clock_of(facts.said_ms, facts.now_ms, zone) if facts.said_ms is not None else ""
    kind = kind_name(facts.kind, language)
    if facts.kind == TEST_KIND:
        texts = {
            "en": f"Test by the device {facts.device}, at {at}. Nobody is in danger, nobody needs to go.",
            "zh": f"测试：设备 {facts.device}，{at}。无人遇险，无需前往。",
        }
        return texts[language]
    if facts.kind == AREA_TROUBLE:
        name = kind_name(facts.kind, language)
        return f"{name}：{facts.area}，{at}。" if language == "zh" else f"{name}: {facts.area}, at {at}."
    place = [part for part in (facts.address, facts.area) if part]
    if language == "zh":
        who = facts.person or f"设备 {facts.device} 未登记使用者，请核实"
        text = "，".join([f"{kind}：{who}", *place])
        doubt = f"（设备时钟显示 {said}）" if said else ""
        return f"此事发生于 {at}。{text}。" if facts.historical else f"{text}，{at}{doubt}。"
    who = facts.person or f"device {facts.device}, which is assigned to nobody: find out who wears it"
    text = ", ".join([f"{kind}: {who}", *place])
    doubt = f" (its clock says {said})" if said else ""
    return f"This happened at {at}. {text}." if facts.historical else f"{text}, at {at}{doubt}."


def clock_of(at_ms: int, now_ms: int, zone: ZoneInfo) -> str:
    """Hours and minutes, with the date where it is another day than now; a device may say any number."""
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    try:
        at = datetime.fromtimestamp(at_ms / 1000, zone)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return at.strftime("%H:%M") if at.date() == now.date() else at.strftime("%Y-%m-%d %H:%M")
