"""What a finding about a device says in words, in English and Chinese: the catalogue of the keys in its notes. Pure.

``notes["text"]`` is the key of the sentence: the kind of the finding, with how it shows where there are several ways
(``offline.will``), and ``.over`` at its end. Fields are filled from the features, durations in words, ``{area}`` and
``{wider_area}`` from the notes. :func:`told` puts the key and the sentence of every language beside the notes, so that
whoever shows a finding needs nothing of this room.
"""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES: tuple[str, ...] = ("en", "zh")

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "offline.heartbeat": "The device has said nothing for {silent_s}; it promised to speak every {heartbeat_s}.",
        "offline.rhythm": "The device has said nothing for {silent_s}; by its habit {limit_silent_s} are the most.",
        "offline.will": "The device lost its connection {silent_s} ago and has not come back.",
        "offline.over": "The device is back after {silent_s}.",
        "area_offline.area": "{silent_devices} of {known_devices} devices of {area} fell silent together {silent_s} "
        "ago: power or network of the area.",
        "area_offline.home": "{silent_devices} of {known_devices} devices of a home in {area} fell silent together "
        "{silent_s} ago: power, router or hub of the home.",
        "area_offline.over": "The devices of {area} are back after {silent_s}.",
        "area_offline.over.wider": "The silence of {area} is part of that of {wider_area}.",
        "messages_lost": "{lost_pct} % of the device's messages do not arrive.",
        "messages_lost.over": "The device's messages arrive again.",
        "reconnects.boots": "The device has started {boots_per_hour} times within an hour.",
        "reconnects.wills": "The device has lost its connection {wills_per_hour} times within an hour.",
        "reconnects.over": "The device stays connected again.",
        "battery_low": "The battery is at {battery_pct} %.",
        "battery_low.left": "The battery is at {battery_pct} % and will be empty in about {left_days} days.",
        "battery_low.over": "The battery is charged or replaced: {battery_pct} %.",
        "clock.behind": "The device's clock is {offset_s} behind.",
        "clock.ahead": "The device's clock is {offset_s} ahead.",
        "clock.over": "The device's clock is right again.",
        "clock_drift.slow": "The device's clock loses {drift_s_per_day} s a day.",
        "clock_drift.fast": "The device's clock gains {drift_s_per_day} s a day.",
        "clock_drift.over": "The device's clock keeps time again.",
        "not_worn.still": "The wearable has lain still for {off_body_s}: it may not be worn.",
        "not_worn.charging": "The wearable has not been worn for {off_body_s}; it was put on its charger.",
        "not_worn.over": "The wearable is worn again.",
        "not_worn.over.unassigned": "Nobody has the wearable any more.",
        "test_overdue.tested_before": "The alarm button has not been tried for {untested_days} days.",
        "test_overdue.never_tested": "The alarm button has never been tried in {untested_days} days.",
        "test_overdue.over": "The alarm button was tried.",
        "test_overdue.over.unassigned": "The button need not be tried: nobody has it any more.",
        "sensor_stuck.raised": "The sensor has said without a break for {raised_s}: {raised}.",
        "sensor_stuck.unchanging": "The sensor has not changed on {idle_days} days on which others of the home did.",
        "sensor_stuck.flickering": "The sensor changed {changes_per_hour} times within an hour.",
        "sensor_stuck.over": "The sensor works as it should again.",
        "other_wearer.gait": "The wearer does not walk as usual. Is the device worn by another person?",
        "other_wearer.pulse": "The wearer's pulse is not as usual. Is the device worn by another person?",
        "other_wearer.over": "The wearer is as usual again.",
        "raised.presence": "somebody is there",
        "raised.bed": "the bed is occupied",
        "raised.water": "water flows",
        "raised.vibration": "something shakes",
        "raised.contact": "open",
        "days": "{d} days {h} h",
        "hours": "{h} h {m:02d} min",
        "minutes": "{m} min",
        "seconds": "{s} s",
    },
    "zh": {
        "offline.heartbeat": "设备已{silent_s}没有消息，而它应每{heartbeat_s}报告一次。",
        "offline.rhythm": "设备已{silent_s}没有消息，按其规律最长为{limit_silent_s}。",
        "offline.will": "设备在{silent_s}前断开连接，至今未恢复。",
        "offline.over": "设备在{silent_s}后恢复通信。",
        "area_offline.area": "{area}的{known_devices}台设备中有{silent_devices}台在{silent_s}前同时失去联系："
        "该区域停电或网络中断。",
        "area_offline.home": "{area}一户家庭的{known_devices}台设备中有{silent_devices}台在{silent_s}前同时失去联系："
        "该户停电、路由器或网关故障。",
        "area_offline.over": "{area}的设备在{silent_s}后恢复通信。",
        "area_offline.over.wider": "{area}的失联属于{wider_area}的大范围失联。",
        "messages_lost": "设备有{lost_pct}%的消息未送达。",
        "messages_lost.over": "设备的消息恢复正常送达。",
        "reconnects.boots": "设备一小时内重启了{boots_per_hour}次。",
        "reconnects.wills": "设备一小时内断线{wills_per_hour}次。",
        "reconnects.over": "设备连接恢复稳定。",
        "battery_low": "电量剩余{battery_pct}%。",
        "battery_low.left": "电量剩余{battery_pct}%，约{left_days}天后耗尽。",
        "battery_low.over": "电池已充电或更换：{battery_pct}%。",
        "clock.behind": "设备时钟慢了{offset_s}。",
        "clock.ahead": "设备时钟快了{offset_s}。",
        "clock.over": "设备时钟已恢复正确。",
        "clock_drift.slow": "设备时钟每天慢{drift_s_per_day}秒。",
        "clock_drift.fast": "设备时钟每天快{drift_s_per_day}秒。",
        "clock_drift.over": "设备时钟走时恢复正常。",
        "not_worn.still": "穿戴设备已静止{off_body_s}，可能没有佩戴。",
        "not_worn.charging": "穿戴设备已{off_body_s}没有佩戴，此前放在充电器上。",
        "not_worn.over": "穿戴设备已重新佩戴。",
        "not_worn.over.unassigned": "该穿戴设备已无人使用。",
        "test_overdue.tested_before": "报警按钮已{untested_days}天没有测试。",
        "test_overdue.never_tested": "报警按钮启用{untested_days}天以来从未测试。",
        "test_overdue.over": "报警按钮已测试。",
        "test_overdue.over.unassigned": "该按钮已无人使用，无需测试。",
        "sensor_stuck.raised": "传感器已持续{raised_s}报告：{raised}。",
        "sensor_stuck.unchanging": "传感器已有{idle_days}天没有变化，而家中其他传感器有变化。",
        "sensor_stuck.flickering": "传感器一小时内变化{changes_per_hour}次。",
        "sensor_stuck.over": "传感器恢复正常。",
        "other_wearer.gait": "佩戴者的步态与平时不同，设备是否由他人佩戴？",
        "other_wearer.pulse": "佩戴者的脉搏与平时不同，设备是否由他人佩戴？",
        "other_wearer.over": "佩戴者恢复如常。",
        "raised.presence": "有人",
        "raised.bed": "床上有人",
        "raised.water": "有水流",
        "raised.vibration": "有震动",
        "raised.contact": "打开",
        "days": "{d}天{h}小时",
        "hours": "{h}小时{m:02d}分钟",
        "minutes": "{m}分钟",
        "seconds": "{s}秒",
    },
}

#: What a kind of finding is called.
KINDS: dict[str, dict[str, str]] = {
    "en": {
        "offline": "Device silent",
        "area_offline": "Area or home without connection",
        "messages_lost": "Messages lost",
        "reconnects": "Connection comes and goes",
        "battery_low": "Battery low",
        "clock": "Clock wrong",
        "clock_drift": "Clock runs fast or slow",
        "not_worn": "Wearable not worn",
        "test_overdue": "Test overdue",
        "sensor_stuck": "Home sensor stuck",
        "other_wearer": "Worn by another person?",
    },
    "zh": {
        "offline": "设备失联",
        "area_offline": "区域或家庭断联",
        "messages_lost": "消息丢失",
        "reconnects": "频繁断线重连",
        "battery_low": "电量低",
        "clock": "时钟错误",
        "clock_drift": "时钟走时不准",
        "not_worn": "未佩戴",
        "test_overdue": "测试逾期",
        "sensor_stuck": "家庭传感器卡死",
        "other_wearer": "疑似他人佩戴",
    },
}


def key(kind: str, notes: Mapping[str, str], features: Mapping[str, float], *, over: bool) -> str:
    """Which sentence a finding has."""
    if over:
        why = "wider" if "wider_area" in notes else notes.get("reason")
        return f"{kind}.over" + (f".{why}" if why else "")
    if kind == "area_offline":
        return f"{kind}.home" if "home" in notes else f"{kind}.area"
    if kind == "battery_low":
        return f"{kind}.left" if "left_days" in features else kind
    how = notes.get("sign") or notes.get("fault")
    return f"{kind}.{how}" if how else kind


def sentence(text: str, notes: Mapping[str, str], features: Mapping[str, float], language: str) -> str:
    """The sentence of a key. A language without texts is English; an unknown key is itself."""
    texts = TEXTS.get(language, TEXTS["en"])
    values = {name: _in_words(name, value, texts) for name, value in features.items()}
    values |= {name: notes[name] for name in ("area", "wider_area") if name in notes}
    values["raised"] = texts.get(f"raised.{notes.get('sense')}", "")
    return texts.get(text, text).format_map(_Kept(values))


def told(kind: str, notes: Mapping[str, str], features: Mapping[str, float], *, over: bool) -> dict[str, str]:
    """``text`` (the key) and the sentence under the tag of each language: what goes with the notes."""
    text = key(kind, notes, features, over=over)
    return {"text": text} | {language: sentence(text, notes, features, language) for language in LANGUAGES}


def _in_words(name: str, value: float, texts: Mapping[str, str]) -> str:
    if not name.endswith("_s"):
        size = abs(value)
        return f"{size:.0f}" if size >= 10 or size == int(size) else f"{size:.1f}"
    seconds = round(abs(value))
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 120:
        return texts["seconds"].format(s=seconds)
    if minutes < 60:
        return texts["minutes"].format(m=minutes)
    if hours < 48:
        return texts["hours"].format(h=minutes // 60, m=minutes % 60)
    return texts["days"].format(d=hours // 24, h=hours % 24)


class _Kept(dict[str, str]):
    """A field that a finding of another version does not have stays as it is."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
