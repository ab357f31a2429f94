"""What a finding of the routine says in words, in English and Chinese: the catalogue of the keys in its notes. Pure.

``notes["text"]`` is the sentence, ``notes["basis"]`` and ``notes["doubt"]``, where they are there, one more each.
``{room}`` is filled from the notes, every other field from the features, durations in words.
"""

from __future__ import annotations

from detectors.detection import Detection

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "routine.collapse": "No movement anywhere at home for {silent_s}, since the {room} at {began_min}. "
        "More than {limit_silent_s} is not normal there at that time.",
        "routine.collapse.over": "Movement at home again after {lasted_s}.",
        "routine.not_back": "Not back home for {silent_s}, at an hour at which this home is never empty.",
        "routine.not_back.over": "Back home after {lasted_s}.",
        "routine.not_out_of_bed": "Not out of bed by {limit_clock_min}.",
        "routine.not_out_of_bed.over": "Out of bed.",
        "routine.bed_left": "Out of bed at night for {lasted_s} and not back. Usual are {limit_lasted_s} at most.",
        "routine.bed_left.over": "Back in bed, or up for the day, after {lasted_s}.",
        "routine.long_bathroom": "In the bathroom for {lasted_s}. Usual are {limit_lasted_s} at most.",
        "routine.long_bathroom.over": "Left the bathroom after {lasted_s}.",
        "routine.door_open": "The front door has been open for {lasted_s}.",
        "routine.door_open.night": "The front door has been open for {lasted_s}, at night.",
        "routine.door_open.over": "The front door is closed again after {lasted_s}.",
        "routine.no_kitchen": "Not in the kitchen for {lasted_s} at home. Usual are {limit_lasted_s} at most.",
        "routine.no_kitchen.over": "In the kitchen again after {lasted_s}.",
        "routine.no_bathroom": "Not in the bathroom for {lasted_s} at home. Usual are {limit_lasted_s} at most.",
        "routine.no_bathroom.over": "In the bathroom again after {lasted_s}.",
        "routine.wandering": "Going from room to room at night, or out of the front door.",
        "routine.wandering.over": "No more wandering since.",
        "routine.basis.default": "This home is not known yet: the limits are those of any home.",
        "routine.doubt.several": "More people or a pet live here: less certain.",
        "routine.doubt.company": "There may be visitors: less certain.",
        "routine.doubt.blind": "A room's sensors have said nothing for a day: less certain.",
        "room": "last room",
        "hours": "{h} h {m:02d} min",
        "minutes": "{m} min",
    },
    "zh": {
        "routine.collapse": "家中已有{silent_s}没有任何活动，最后一次在{began_min}的{room}。"
        "该时段超过{limit_silent_s}即属异常。",
        "routine.collapse.over": "{lasted_s}后家中又有活动。",
        "routine.not_back": "外出{silent_s}未归，而此时家中平时从不无人。",
        "routine.not_back.over": "{lasted_s}后已回家。",
        "routine.not_out_of_bed": "到{limit_clock_min}仍未起床。",
        "routine.not_out_of_bed.over": "已起床。",
        "routine.bed_left": "夜间离床{lasted_s}未返回，平时最长{limit_lasted_s}。",
        "routine.bed_left.over": "{lasted_s}后已回到床上或已起床。",
        "routine.long_bathroom": "在卫生间已{lasted_s}，平时最长{limit_lasted_s}。",
        "routine.long_bathroom.over": "{lasted_s}后已离开卫生间。",
        "routine.door_open": "大门已敞开{lasted_s}。",
        "routine.door_open.night": "夜间大门已敞开{lasted_s}。",
        "routine.door_open.over": "{lasted_s}后大门已关好。",
        "routine.no_kitchen": "在家{lasted_s}未进厨房，平时最长{limit_lasted_s}。",
        "routine.no_kitchen.over": "{lasted_s}后又进了厨房。",
        "routine.no_bathroom": "在家{lasted_s}未进卫生间，平时最长{limit_lasted_s}。",
        "routine.no_bathroom.over": "{lasted_s}后又进了卫生间。",
        "routine.wandering": "夜间在各房间徘徊，或走出大门。",
        "routine.wandering.over": "此后不再徘徊。",
        "routine.basis.default": "尚未掌握该家庭的作息，采用通用限值。",
        "routine.doubt.several": "家中还有他人或宠物，把握较小。",
        "routine.doubt.company": "家中可能有访客，把握较小。",
        "routine.doubt.blind": "有房间的传感器已一天没有消息，把握较小。",
        "room": "最后所在房间",
        "hours": "{h}小时{m:02d}分钟",
        "minutes": "{m}分钟",
    },
}


def sentence(found: Detection, language: str) -> str:
    """What a finding says, in one to three sentences. A language without texts is English; an unknown key is itself."""
    texts = TEXTS.get(language, TEXTS["en"])
    values = {name: _in_words(name, value, texts) for name, value in found.features.items()}
    values["room"] = found.notes.get("room") or texts["room"]
    parts = [found.notes[note] for note in ("text", "basis", "doubt") if note in found.notes]
    return ("" if language == "zh" else " ").join(texts.get(part, part).format_map(_Kept(values)) for part in parts)


def _in_words(name: str, value: float, texts: dict[str, str]) -> str:
    if name.endswith("_min"):
        return f"{int(value) // 60 % 24:02d}:{int(value) % 60:02d}"
    hours, minutes = divmod(round(value / 60), 60)
    return texts["hours" if hours else "minutes"].format(h=hours, m=minutes)


class _Kept(dict[str, str]):
    """A field that a finding of another version does not have stays as it is."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
