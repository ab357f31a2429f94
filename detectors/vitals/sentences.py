"""What a finding says, in English and Chinese: the one place where its keys and their sentences are. Pure.

A finding's notes carry ``text`` (a key of :data:`SENTENCES`), ``signs`` (what the sentence tells of, in order, with
blanks between) and, for NEWS2, ``missing``. :func:`sentence` makes the sentence of these and of the features;
:func:`in_words` gives it in every language, as it stands in the notes under the language's tag, so that whoever shows a
finding needs nothing of this room.
"""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES: tuple[str, ...] = ("en", "zh")

#: Whole sentences by the key in ``notes["text"]``. ``{vitals}`` is the list of the signs, the others are features.
SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "news2": "Early warning score NEWS2 {score}: {vitals}.",
        "respiratory": "Breathing may be failing: {vitals}.",
        "infection": "An infection is possible: {vitals}.",
        "circulation": "The circulation may be failing: {vitals}.",
        "shift": "Not as usual: {vitals}.",
        "pulse_fast": "Fast pulse at rest: {vitals}.",
        "pulse_fast_irregular": "Fast and irregular pulse at rest: {vitals}.",
        "pressure_crisis": "Very high {vitals}; the limit is {limit_sbp_mmhg:.0f}/{limit_dbp_mmhg:.0f}.",
        "glucose_very_low": "Very low {vitals}; the limit is {limit_glucose_mmol_l:.1f}. Give sugar at once.",
        "glucose_low": "Low {vitals}; the limit is {limit_glucose_mmol_l:.1f}. Something sweet is needed.",
        "glucose_falling": "{vitals}, and falling by {pace_mmol_l_h:.1f} an hour. Something sweet is needed.",
        "glucose_high": "High {vitals}; the limit is {limit_glucose_mmol_l:.1f}.",
        "glucose_very_high": "Very high {vitals}; the limit is {limit_glucose_mmol_l:.1f}.",
        "weight_gain": "{vitals}, {change_kg:.1f} kg more than {before_kg:.1f} in the week before.",
        "weight_loss": "{vitals}, {change_kg:.1f} kg less than {before_kg:.1f} some weeks ago.",
        "pressure_trend": "Blood pressure {sbp_week_mmhg:.0f} on average this week, {sbp_before_mmhg:.0f} before.",
        "pulse_trend": "Pulse at rest {pulse_bpm:.0f} in the last three days, {pulse_before_bpm:.0f} before.",
        "over": "As it should be again: {vitals}.",
        "over.silent": "Nothing has been measured any more; it is not known whether it is over.",
        "historical": "Found in readings that came late: {vitals}.",
        "artefact.unit": "Measures in another unit, or is set to one: {vitals} cannot be.",
        "artefact.range": "Sends what no person has: {vitals}.",
        "artefact.loose": "Does not touch the skin well: readings are lost.",
        "artefact.stuck": "Sends one value all the time: {vitals}.",
        "artefact.jump": "Jumps back and forth: {vitals}. Another person, or a loose sensor?",
        "artefact.motion": "Has not measured at rest for a long time: the readings say nothing of the person.",
        "artefact.future": "Sends readings from a time that has not come: its clock is wrong.",
        "artefact.over": "Measures properly again.",
    },
    "zh": {
        "news2": "早期预警评分 NEWS2 {score}：{vitals}。",
        "respiratory": "可能呼吸衰竭：{vitals}。",
        "infection": "可能有感染：{vitals}。",
        "circulation": "可能循环衰竭：{vitals}。",
        "shift": "与平时不同：{vitals}。",
        "pulse_fast": "静息脉搏过快：{vitals}。",
        "pulse_fast_irregular": "静息脉搏快而不齐：{vitals}。",
        "pressure_crisis": "{vitals}，过高；限值 {limit_sbp_mmhg:.0f}/{limit_dbp_mmhg:.0f}。",
        "glucose_very_low": "{vitals}，过低；限值 {limit_glucose_mmol_l:.1f}。请立即补充糖分。",
        "glucose_low": "{vitals}，偏低；限值 {limit_glucose_mmol_l:.1f}。需要进食含糖食物。",
        "glucose_falling": "{vitals}，每小时下降 {pace_mmol_l_h:.1f}。需要进食含糖食物。",
        "glucose_high": "{vitals}，偏高；限值 {limit_glucose_mmol_l:.1f}。",
        "glucose_very_high": "{vitals}，过高；限值 {limit_glucose_mmol_l:.1f}。",
        "weight_gain": "{vitals}，比前一周的 {before_kg:.1f} kg 增加 {change_kg:.1f} kg。",
        "weight_loss": "{vitals}，比数周前的 {before_kg:.1f} kg 减少 {change_kg:.1f} kg。",
        "pressure_trend": "本周平均收缩压 {sbp_week_mmhg:.0f}，此前为 {sbp_before_mmhg:.0f}。",
        "pulse_trend": "近三天静息脉搏 {pulse_bpm:.0f}，此前为 {pulse_before_bpm:.0f}。",
        "over": "已恢复：{vitals}。",
        "over.silent": "此后没有测量数据，无法确认是否已恢复。",
        "historical": "延迟送达的数据显示：{vitals}。",
        "artefact.unit": "测量单位有误：{vitals} 不可能。",
        "artefact.range": "发送了人体不可能的数值：{vitals}。",
        "artefact.loose": "与皮肤接触不良，数据缺失。",
        "artefact.stuck": "数值一直不变：{vitals}。",
        "artefact.jump": "数值来回跳动：{vitals}。是否他人使用或传感器松动？",
        "artefact.motion": "长时间没有静息时的测量，数据不能反映身体状况。",
        "artefact.future": "数据时间晚于当前时间：设备时钟有误。",
        "artefact.over": "测量已恢复正常。",
    },
}

#: One sign each, by its name in ``notes["signs"]``; filled in with the features.
VITALS: dict[str, dict[str, str]] = {
    "en": {
        "hr": "pulse {hr_bpm:.0f} a minute",
        "spo2": "oxygen saturation {spo2_pct:.0f} %",
        "rr": "breathing {rr_per_min:.0f} a minute",
        "temp": "temperature {temp_celsius:.1f} °C",
        "sbp": "systolic pressure {sbp_mmhg:.0f}",
        "dbp": "diastolic pressure {dbp_mmhg:.0f}",
        "pressure": "blood pressure {sbp_mmhg:.0f}/{dbp_mmhg:.0f}",
        "glucose": "blood sugar {glucose_mmol_l:.1f} mmol/L",
        "weight": "weight {weight_kg:.1f} kg",
        "o2": "breathes oxygen",
        "acvpu": "not fully awake or newly confused",
    },
    "zh": {
        "hr": "脉搏每分钟 {hr_bpm:.0f} 次",
        "spo2": "血氧 {spo2_pct:.0f}%",
        "rr": "呼吸每分钟 {rr_per_min:.0f} 次",
        "temp": "体温 {temp_celsius:.1f} ℃",
        "sbp": "收缩压 {sbp_mmhg:.0f}",
        "dbp": "舒张压 {dbp_mmhg:.0f}",
        "pressure": "血压 {sbp_mmhg:.0f}/{dbp_mmhg:.0f}",
        "glucose": "血糖 {glucose_mmol_l:.1f} mmol/L",
        "weight": "体重 {weight_kg:.1f} kg",
        "o2": "正在吸氧",
        "acvpu": "意识不清或新发意识模糊",
    },
}

#: Signs by name alone, where they were not measured.
NAMES: dict[str, dict[str, str]] = {
    "en": {
        "rr": "breathing", "spo2": "oxygen saturation", "o2": "oxygen supply", "sbp": "blood pressure", "hr": "pulse",
        "acvpu": "alertness", "temp": "temperature",
    },
    "zh": {
        "rr": "呼吸", "spo2": "血氧", "o2": "是否吸氧", "sbp": "血压", "hr": "脉搏", "acvpu": "意识", "temp": "体温",
    },
}  # fmt: skip

#: What is put together with the above.
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "usual": ", usual {low} to {high}",
        "and": "; ",
        "comma": ", ",
        "points": "{lower}",
        "points.range": "{lower} to {upper}",
        "missing": " Not measured: {names}.",
        "alone": " Measured once only: measure again.",
        "limited": " Somebody was called only just now.",
    },
    "zh": {
        "usual": "（平时 {low}–{high}）",
        "and": "；",
        "comma": "、",
        "points": "{lower} 分",
        "points.range": "{lower}–{upper} 分",
        "missing": "未测：{names}。",
        "alone": "仅测量一次，请重测。",
        "limited": "刚刚已经通知过。",
    },
}

#: What a kind of finding is called, and in alerts an incident.
KINDS: dict[str, dict[str, str]] = {
    "en": {
        "news2": "Early warning score",
        "vitals_combination": "Vital signs together",
        "vitals_shift": "Vital signs not as usual",
        "vitals_limit": "Vital sign beyond its limit",
        "vitals_trend": "Change over days",
        "reading_fault": "Vitals device at fault",
    },
    "zh": {
        "news2": "早期预警评分",
        "vitals_combination": "多项体征异常",
        "vitals_shift": "体征与平时不同",
        "vitals_limit": "体征超限",
        "vitals_trend": "数日来的变化",
        "reading_fault": "体征设备异常",
    },
}

_DECIMALS = {"temp": 1, "glucose": 1, "weight": 1}


def sentence(notes: Mapping[str, str], features: Mapping[str, float], language: str) -> str:
    """The sentence of a finding.

    Raises:
        KeyError: no such language, or the notes have a key that is in no catalogue: a defect.
    """
    words = WORDS[language]
    vitals = words["and"].join(_vital(name, features, language) for name in notes.get("signs", "").split())
    values = dict(features)
    said = SENTENCES[language][notes["text"]].format(vitals=vitals, score=_points(features, language), **values)
    if missing := notes.get("missing", ""):
        names = words["comma"].join(NAMES[language][name] for name in missing.split())
        said += words["missing"].format(names=names)
    said += "".join(words[note] for note in ("alone", "limited") if note in notes)
    return said[:1].upper() + said[1:]


def in_words(notes: Mapping[str, str], features: Mapping[str, float]) -> dict[str, str]:
    """The sentence of a finding in every language, by its tag."""
    return {language: sentence(notes, features, language) for language in LANGUAGES}


def _vital(name: str, features: Mapping[str, float], language: str) -> str:
    said = VITALS[language][name].format_map(features)
    ends = [next((v for f, v in features.items() if f.startswith(f"usual_{end}_{name}_")), None) for end in _ENDS]
    if None in ends:
        return said
    low, high = (f"{value:.{_DECIMALS.get(name, 0)}f}" for value in ends if value is not None)
    return said + WORDS[language]["usual"].format(low=low, high=high)


_ENDS = ("low", "high")


def _points(features: Mapping[str, float], language: str) -> str:
    if "news2_points" not in features:
        return ""
    lower, upper = round(features["news2_points"]), round(features["news2_highest_points"])
    return WORDS[language]["points" if lower == upper else "points.range"].format(lower=lower, upper=upper)
