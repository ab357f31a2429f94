"""The words of the report, English and Chinese."""

from __future__ import annotations

LANGUAGES = ("en", "zh")

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Response times",
        "period": "{from_} to {to}, times of {zone}",
        "made": "made {at}",
        "area": "Area",
        "incidents": "Incidents",
        "answered_60": "Answered within 60 s",
        "answered_180": "Answered within 180 s",
        "door": "At the door within 15 min",
        "false_alarms": "False alarms",
        "of_closed": "of all closed",
        "goal": "goal {goal}",
        "met": "met",
        "missed": "not met",
        "few": "nothing to count",
        "interval": "95 % interval {low} to {high}",
        "median": "Median answer",
        "p95": "95 % answered by",
        "unanswered": "Never answered",
        "tests": "Tests and drills, not counted",
        "historical": "Told hours later by a device, not timed",
        "outcome": "What they were",
        "outcome.true": "true alarms",
        "outcome.false_alarm": "false alarms",
        "outcome.cancelled": "cancelled by the wearer",
        "outcome.device_fault": "device faults",
        "open": "not closed yet",
        "plot.answer": "How soon they were answered",
        "plot.answer.x": "time from opening to the first answer",
        "plot.answer.y": "answered",
        "plot.answer.alt": "Share of the incidents answered, by time: {soon} after 60 s, {late} after 180 s",
        "plot.hour": "By hour of the day",
        "plot.hour.alt": "Incidents by hour of their opening, those answered within 60 s apart",
        "plot.soon": "within 60 s",
        "plot.late": "within 180 s",
        "plot.never": "later or never",
        "areas": "By area and station",
        "areas.note": "An area counts all below it.",
        "station": "station",
        "providers": "By provider",
        "provider": "Provider",
        "no_provider": "no organisation",
        "rating": "Rating",
        "too_few": "too few",
        "responders": "By responder",
        "responder": "Responder",
        "calls": "Calls",
        "taken": "Taken",
        "unreached": "Not delivered",
        "hours": "By hour",
        "hour": "Hour",
        "never": "Nobody answered these",
        "never.none": "Every incident was answered.",
        "silent": "Responders whom no message reached",
        "silent.none": "Everybody who was called could be reached.",
        "opened": "Opened",
        "person": "Person",
        "kind": "Kind",
        "reached": "Called, reached",
        "waited": "Open for",
        "still": "still open",
        "nothing": "There was no incident in this time.",
        "how": "How it is counted",
        "how.1": "An incident counts for a limit when somebody took it, or when the limit passed while nobody had. One "
        "that was over before (the wearer cancelled, it was closed) says nothing and is left out; so is what is "
        "younger than the limit. The same holds for each call and for the way to the door.",
        "how.2": "For areas and hours the time runs from the opening of the incident to the first who took it, and to "
        "the first at the door. For responders and providers it runs from the moment that the message had arrived to "
        "their own answer, and from their answer to the door. Where somebody else was quicker the call is left out.",
        "how.3": "Rating = 100 x (0.5 x A + 0.2 x B + 0.3 x C): the lower ends of the 95 % Wilson intervals of "
        "answered within 60 s (A), within 180 s (B) and at the door within 15 min of the answer (C). With fewer than "
        "{least} cases of one of them there is none. A from 90, B from 80, C from 70, else D.",
        "how.4": "Goals: 97.5 % within 60 s and 99 % within 180 s (TSA).",
    },
    "zh": {
        "title": "响应时间报告",
        "period": "{from_} 至 {to}，时区 {zone}",
        "made": "生成于 {at}",
        "area": "区域",
        "incidents": "事件",
        "answered_60": "60 秒内应答",
        "answered_180": "180 秒内应答",
        "door": "15 分钟内到达",
        "false_alarms": "误报",
        "of_closed": "占已结案事件",
        "goal": "目标 {goal}",
        "met": "达标",
        "missed": "未达标",
        "few": "无可统计数据",
        "interval": "95% 区间 {low} 至 {high}",
        "median": "应答中位数",
        "p95": "95% 应答于",
        "unanswered": "无人应答",
        "tests": "测试与演练（不计入）",
        "historical": "设备事后补报（不计时）",
        "outcome": "事件结果",
        "outcome.true": "真实警情",
        "outcome.false_alarm": "误报",
        "outcome.cancelled": "佩戴者取消",
        "outcome.device_fault": "设备故障",
        "open": "尚未结案",
        "plot.answer": "应答速度",
        "plot.answer.x": "从事件生成到首次应答",
        "plot.answer.y": "已应答",
        "plot.answer.alt": "按时间累计的应答比例：60 秒 {soon}，180 秒 {late}",
        "plot.hour": "按时段",
        "plot.hour.alt": "各小时的事件数，区分是否在 60 秒内应答",
        "plot.soon": "60 秒内",
        "plot.late": "180 秒内",
        "plot.never": "更晚或无人应答",
        "areas": "按区域与驿站",
        "areas.note": "上级区域包含其所有下级。",
        "station": "驿站",
        "providers": "按服务机构",
        "provider": "服务机构",
        "no_provider": "未登记机构",
        "rating": "评分",
        "too_few": "样本不足",
        "responders": "按响应人员",
        "responder": "响应人员",
        "calls": "呼叫",
        "taken": "接单",
        "unreached": "未送达",
        "hours": "按小时",
        "hour": "小时",
        "never": "无人应答的事件",
        "never.none": "所有事件均有人应答。",
        "silent": "消息从未送达的响应人员",
        "silent.none": "所有被呼叫的人员均可送达。",
        "opened": "生成时间",
        "person": "人员",
        "kind": "类型",
        "reached": "呼叫，送达",
        "waited": "持续",
        "still": "仍未结案",
        "nothing": "该时段没有事件。",
        "how": "统计方法",
        "how.1": "有人接手，或无人接手而时限已过，该事件才计入该时限。时限之前已结束的（佩戴者取消、已结案）"
        "以及未满时限的事件不计。每次呼叫和到达的统计方法相同。",
        "how.2": "区域与时段：从事件生成到首位接手者，以及到首位到达者。响应人员与机构：从消息送达到本人应答，"
        "再从本人应答到到达。他人更快接手的呼叫不计。",
        "how.3": "评分 = 100 ×（0.5 × A + 0.2 × B + 0.3 × C）：A 为 60 秒内应答、B 为 180 秒内应答、"
        "C 为应答后 15 分钟内到达，均取 95% Wilson 区间下限。"
        "任何一项少于 {least} 例则不评分。90 分起为 A，80 分起为 B，70 分起为 C，其余为 D。",
        "how.4": "目标：60 秒内 97.5%，180 秒内 99%（TSA）。",
    },
}

#: Kinds of incidents as the messages call them.
KINDS: dict[str, dict[str, str]] = {
    "en": {"sos": "SOS", "fall": "Fall", "smoke": "Smoke", "gas": "Gas", "collapse": "No movement at home",
           "news2": "Early warning score", "visit_missed": "Visit missed"},
    "zh": {"sos": "紧急呼叫", "fall": "跌倒", "smoke": "烟雾", "gas": "燃气", "collapse": "家中无活动",
           "news2": "早期预警评分", "visit_missed": "未按时探访"},
}  # fmt: skip


def duration(seconds: float, language: str) -> str:
    """A duration with two figures or so: ``48 s``, ``3.2 min``, ``5 h``."""
    units = {"en": (" s", " min", " h", " d"), "zh": (" 秒", " 分钟", " 小时", " 天")}[language]
    for unit, length, least in zip(units[::-1], (86_400, 3_600, 60, 1), (172_800, 5_400, 100, 0), strict=True):
        if seconds >= least:
            value = seconds / length
            return f"{value:.1f}{unit}" if value < 10 and length > 1 else f"{value:.0f}{unit}"
    return f"{seconds:.0f}{units[0]}"
