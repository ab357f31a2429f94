"""What several dashboards have: variables, panels that all of them want."""

from __future__ import annotations

from dashboards import influxql
from dashboards.limits import RED
from dashboards.spec import Variable
from dashboards.words import Words

AREA = Words("Area", "区域")
PERSON = Words("Person", "人员")
DEVICE = Words("Device", "设备")
NO, YES = Words("no", "否"), Words("yes", "是")

#: All areas that there are, from the registry by way of `area_state`; the widest come first in the alphabet.
_AREAS = influxql.values_of("area", ["area_state"])
_WITH_PERSON = ("vitals", "motion", "home", "score")


def area(*, every: bool = True) -> Variable:
    """Which area, with all below it."""
    return Variable("area", AREA, _AREAS, every=every)


def person() -> Variable:
    """A pseudonymous key: names are in the registry only."""
    return Variable("person", PERSON, influxql.values_of("person", _WITH_PERSON, influxql.IN_AREA))


def devices_of_person() -> Variable:
    """What the person wears and has at home; `device` points know no person."""
    query = influxql.values_of("device", ("vitals", "motion", "home"), influxql.OF_PERSON)
    return Variable("device", DEVICE, query, every=True, several=True, listed=True)


def devices_of_area() -> Variable:
    """The devices in the area."""
    query = influxql.values_of("device", ("device",), influxql.IN_AREA)
    return Variable("device", DEVICE, query, every=True, several=True)


ONLINE_WORDS = {"0": (Words("offline", "离线"), RED), "1": (Words("online", "在线"), "green")}
STATE_WORDS = {
    "open": (Words("open", "未处理"), RED),
    "notifying": (Words("notifying", "通知中"), "orange"),
    "acknowledged": (Words("acknowledged", "已接警"), "yellow"),
    "en_route": (Words("on the way", "在途"), "yellow"),
    "on_scene": (Words("on scene", "已到场"), "blue"),
    "resolved": (Words("resolved", "已结束"), "green"),
}
SEVERITY_WORDS = {
    "critical": (Words("critical", "危急"), RED),
    "urgent": (Words("urgent", "紧急"), "orange"),
    "warning": (Words("warning", "警示"), "yellow"),
    "info": (Words("for information", "提示"), "blue"),
}
OUTCOME_WORDS = {
    "true": (Words("true alarm", "真实"), RED),
    "false_alarm": (Words("false alarm", "误报"), "yellow"),
    "cancelled": (Words("cancelled by the wearer", "本人取消"), "blue"),
    "test": (Words("test", "测试"), "text"),
    "device_fault": (Words("device fault", "设备故障"), "orange"),
}
