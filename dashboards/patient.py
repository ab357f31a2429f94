"""One person: vital signs with what is usual and the NEWS2 bands, events, activity, sleep, routine, devices."""

from __future__ import annotations

from dashboards import common, influxql, limits
from dashboards.influxql import OF_DEVICE, OF_PERSON
from dashboards.limits import BLUE, GREY
from dashboards.spec import Column, Dashboard, Panel, Query, Section
from dashboards.words import Words

_USUAL_LOW, _USUAL_HIGH = Words("usual, from", "平时下限"), Words("usual, to", "平时上限")
_FAINT = {"color": GREY, "custom.lineWidth": 0, "custom.showPoints": "never"}


def _usual(sign: str) -> tuple[Query, Query]:
    where = f"{OF_PERSON} AND \"detector\" = 'vitals.{sign}'"
    low = influxql.zoomed("baseline", "lower", where, fill="previous")
    high = influxql.zoomed("baseline", "upper", where, fill="previous")
    faint = {**_FAINT, "custom.hideFrom": {"legend": False, "tooltip": False, "viz": False}}
    return Query(low, _USUAL_LOW, look=faint), Query(high, _USUAL_HIGH, look=faint, fill_to=_USUAL_LOW)


def _vital(
    field: str, title: Words, unit: str, *, soft: tuple[float, float], decimals: int = 0, usual: bool = True
) -> Panel:
    band = Words(
        "The line is the mean of each step; the grey band is what is usual for this person at this time of day; the "
        "background is coloured by the NEWS2 points that a value gives (yellow 1, orange 2, red 3).",
        "曲线为每个时间步的平均值；灰色带为此人该时段的平时范围；背景颜色表示该值的 NEWS2 得分（黄 1、橙 2、红 3）。",
    )
    queries = [Query(influxql.zoomed("vitals", field, OF_PERSON), title, look={"color": BLUE, "custom.lineWidth": 2})]
    queries += _usual(field) if usual else ()
    return Panel(
        title, band, "timeseries", tuple(queries), unit, 12, thresholds=limits.news2_bands(field), soft=soft,
        decimals=decimals, band=True, shortest_step="30s",
    )  # fmt: skip


_NEWS2 = Panel(
    Words("NEWS2", "NEWS2 评分"),
    Words(
        "The lowest total that the early warning score can be: what was not measured counts as normal. From 5 somebody "
        "has to look within the hour, from 7 at once.",
        "预警评分的最低可能值：未测量的项目按正常计。5 分起须在一小时内查看，7 分起须立即处理。",
    ),
    "stat",
    (Query(influxql.newest("score", ["value"], OF_PERSON, by=["person"]), Words("NEWS2", "NEWS2")),),
    "none", 4, 6, thresholds=limits.NEWS2, decimals=0,
)  # fmt: skip
_LATEST = Panel(
    Words("Latest readings", "最新读数"),
    Words("The newest value of each vital sign within the time range, coloured by its NEWS2 points.",
          "所选时间内各项体征的最新值，按 NEWS2 得分着色。"),
    "stat",
    tuple(
        Query(influxql.newest("vitals", [field], OF_PERSON, by=["person"]), words,
              look={"unit": unit, "thresholds": limits.news2_bands(field), "decimals": digits})
        for field, words, unit, digits in (
            ("hr", Words("Pulse", "脉搏"), "suffix:/min", 0),
            ("spo2", Words("Oxygen saturation", "血氧"), "percent", 0),
            ("rr", Words("Breaths", "呼吸"), "suffix:/min", 0),
            ("temp", Words("Temperature", "体温"), "celsius", 1),
            ("sbp", Words("Systolic", "收缩压"), "suffix:mmHg", 0),
        )
    ),
    "none", 14, 6, decimals=0,
)  # fmt: skip
_LAST_SEEN = Panel(
    Words("Last reading", "最近一次读数"),
    Words("When the newest vital signs were measured.", "最近一次体征的测量时间。"),
    "table",
    (Query(influxql.newest("vitals", ["hr"], OF_PERSON, by=["person"]), table=True),),
    "none", 6, 6,
    columns=(
        Column("Time", Words("Measured", "测量时间"), "dateTimeFromNow"),
        Column("person", common.PERSON),
        Column("hr", Words("Pulse", "脉搏"), "suffix:/min", decimals=0),
    ),
)  # fmt: skip
_SCORE = Panel(
    Words("NEWS2 over time", "NEWS2 变化"),
    Words(
        "The worst of each step. Between the lines lies what the score can be, since not every sign is measured all "
        "the time.",
        "每步的最差值。并非所有体征始终有测量值，实际评分位于两线之间。",
    ),
    "timeseries",
    (
        Query(influxql.zoomed("score", "lower", OF_PERSON, stat="max"), Words("at least", "至少"),
              look={"color": BLUE}),
        Query(influxql.zoomed("score", "upper", OF_PERSON, stat="max"), Words("at most", "至多"), look={"color": GREY},
              fill_to=Words("at least", "至少")),
    ),
    "none", 12, thresholds=limits.NEWS2, band=True, soft=(0, 10), decimals=0, draw="steps", shortest_step="1m",
)  # fmt: skip
_PARTS = Panel(
    Words("What the score is made of", "评分构成"),
    Words("The points that each sign gives, on top of each other.", "各体征的得分，逐项叠加。"),
    "timeseries",
    tuple(
        Query(influxql.zoomed("score", part, OF_PERSON, stat="max"), words)
        for part, words in (
            ("rr", Words("Breaths", "呼吸")),
            ("spo2", Words("Saturation", "血氧")),
            ("o2", Words("Oxygen given", "吸氧")),
            ("sbp", Words("Pressure", "血压")),
            ("hr", Words("Pulse", "脉搏")),
            ("acvpu", Words("Consciousness", "意识")),
            ("temp", Words("Temperature", "体温")),
        )
    ),
    "none", 12, draw="bars", stack=True, soft=(0, 10), decimals=0, shortest_step="5m",
)  # fmt: skip
_PRESSURE = Panel(
    Words("Blood pressure", "血压"),
    Words(
        "Systolic and diastolic pressure; the background is coloured by the NEWS2 points of the systolic one.",
        "收缩压与舒张压；背景颜色为收缩压的 NEWS2 得分。",
    ),
    "timeseries",
    (
        Query(influxql.zoomed("vitals", "sbp", OF_PERSON), Words("Systolic", "收缩压"), look={"color": BLUE}),
        Query(influxql.zoomed("vitals", "dbp", OF_PERSON), Words("Diastolic", "舒张压"), look={"color": "purple"}),
    ),
    "suffix:mmHg", 12, thresholds=limits.news2_bands("sbp"), band=True, soft=(60, 180), decimals=0,
    draw="points", shortest_step="1m",
)  # fmt: skip
_ACTIVITY = Panel(
    Words("Activity", "活动"),
    Words("Steps counted in each step of time.", "每个时间步内的步数。"),
    "timeseries",
    (Query(influxql.zoomed("motion", "steps", OF_PERSON, stat="sum"), Words("Steps", "步数")),),
    "short", 12, draw="bars", soft=(0, 10), decimals=0, color=BLUE, shortest_step="1m",
)  # fmt: skip
_MOVEMENT = Panel(
    Words("Movement and wear", "运动强度与佩戴"),
    Words(
        "Mean movement (ENMO; sitting and lying stay below 0.03 g) and the share of time that the device was worn.",
        "平均运动强度（ENMO；坐卧低于 0.03 g）以及设备佩戴时间占比。",
    ),
    "timeseries",
    (
        Query(influxql.zoomed("motion", "enmo_g", OF_PERSON), Words("Movement", "运动强度"), look={"color": BLUE}),
        Query(influxql.zoomed("motion", "worn", OF_PERSON), Words("Worn", "佩戴"),
              look={"color": GREY, "unit": "percentunit", "custom.axisPlacement": "right", "min": 0, "max": 1}),
    ),
    "suffix:g", 12, least=0, decimals=2,
)  # fmt: skip
_SLEEP = Panel(
    Words("In bed", "在床"),
    Words("Share of time that somebody was in the bed.", "床上有人的时间占比。"),
    "timeseries",
    (Query(influxql.zoomed("home", "value", f"{OF_PERSON} AND \"kind\" = 'bed'"), Words("In bed", "在床")),),
    "percentunit", 12, least=0, most=1, draw="steps", color="purple", decimals=0, shortest_step="1m",
)  # fmt: skip
_ROUTINE = Panel(
    Words("The day at home", "居家活动"),
    Words(
        "How often each kind of home sensor reported: presence, doors, bed. A day without is not usual.",
        "各类居家传感器的上报次数：人体感应、门磁、床垫等。整天没有记录即为异常。",
    ),
    "timeseries",
    (Query(influxql.zoomed("home", "value", OF_PERSON, stat="count", by=["kind"]), Words("$tag_kind", "$tag_kind")),),
    "short", 12, draw="bars", stack=True, soft=(0, 5), decimals=0, shortest_step="5m",
)  # fmt: skip
_BATTERY = Panel(
    Words("Battery", "电量"),
    Words("Charge of the person's devices; red is low.", "此人各设备的电量；红色为电量低。"),
    "timeseries",
    (Query(influxql.zoomed("device", "battery", OF_DEVICE, by=["device"]), Words("$tag_device", "$tag_device")),),
    "percent", 8, thresholds=limits.BATTERY_PCT, band=True, least=0, most=100, decimals=0, shortest_step="1m",
)  # fmt: skip
_LINK = Panel(
    Words("Delay of messages", "消息延迟"),
    Words(
        "How old messages are on arrival, the worst of each step. Beyond two minutes they are history, not news.",
        "消息到达时的延迟（每步最大值）。超过两分钟即视为历史数据。",
    ),
    "timeseries",
    (Query(influxql.zoomed("device", "lag_ms", OF_DEVICE, stat="max", by=["device"]),
           Words("$tag_device", "$tag_device")),),
    "ms", 8, thresholds=limits.LAG_MS, least=0, decimals=0, shortest_step="1m",
)  # fmt: skip
_DEVICES = Panel(
    Words("Devices", "设备"),
    Words("What each device said of itself last.", "各设备最近一次自报状态。"),
    "table",
    (Query(influxql.newest("device", ["online", "battery", "rssi", "fw"], OF_DEVICE, by=["device"]), table=True),),
    "none", 8,
    columns=(
        Column("Time", Words("", ""), hidden=True),
        Column("device", common.DEVICE),
        Column("online", Words("Link", "连接"), words=common.ONLINE_WORDS),
        Column("battery", Words("Battery", "电量"), "percent", limits.BATTERY_PCT, 0, gauge=True),
        Column("rssi", Words("Signal", "信号"), "suffix:dBm", decimals=0),
        Column("fw", Words("Firmware", "固件")),
    ),
)  # fmt: skip
_EVENTS = Panel(
    Words("Incidents", "事件"),
    Words("Each step of each incident of this person, the newest first.", "此人所有事件的各步骤，最新在前。"),
    "table",
    (Query(influxql.incidents('"kind", "severity", "state", "outcome", "since_open_s"', OF_PERSON), table=True),),
    "none", 24,
    columns=(
        Column("Time", Words("Time", "时间"), "dateTimeAsIso"),
        Column("kind", Words("Kind", "类型")),
        Column("severity", Words("Severity", "等级"), words=common.SEVERITY_WORDS),
        Column("state", Words("State", "状态"), words=common.STATE_WORDS),
        Column("outcome", Words("Outcome", "结果"), words=common.OUTCOME_WORDS),
        Column("since_open_s", Words("After", "距发生"), "s", decimals=0),
    ),
    sort=("Time", True),
)  # fmt: skip

DASHBOARD = Dashboard(
    "patient",
    Words("Patient", "患者"),
    Words(
        "One person: vital signs, events, activity, sleep, routine, devices.",
        "单个人员：体征、事件、活动、睡眠、作息与设备。",
    ),
    (common.area(), common.person(), common.devices_of_person()),
    (
        Section(Words("Now", "当前"), (_NEWS2, _LATEST, _LAST_SEEN)),
        Section(
            Words("Vital signs", "体征"),
            (
                _SCORE,
                _PARTS,
                _vital("hr", Words("Pulse", "脉搏"), "suffix:/min", soft=(50, 110)),
                _vital("spo2", Words("Oxygen saturation", "血氧饱和度"), "percent", soft=(88, 100)),
                _vital("rr", Words("Breaths", "呼吸频率"), "suffix:/min", soft=(8, 26)),
                _vital("temp", Words("Temperature", "体温"), "celsius", soft=(35, 39), decimals=1),
                _PRESSURE,
                Panel(
                    Words("Glucose", "血糖"),
                    Words("Readings of blood glucose.", "血糖读数。"),
                    "timeseries",
                    (Query(influxql.zoomed("vitals", "glucose", OF_PERSON), Words("Glucose", "血糖")),),
                    "suffix:mmol/L", 12, soft=(3, 12), decimals=1, draw="points", color=BLUE, shortest_step="1m",
                ),
            ),
        ),
        Section(Words("Activity, sleep and routine", "活动、睡眠与作息"), (_ACTIVITY, _MOVEMENT, _SLEEP, _ROUTINE)),
        Section(Words("Devices and events", "设备与事件"), (_BATTERY, _LINK, _DEVICES, _EVENTS)),
    ),
    since="now-24h",
    refresh="30s",
    events=influxql.incidents('"state", "severity", "kind"', OF_PERSON, state='"state" =~ /^(open|resolved)$/'),
)  # fmt: skip
