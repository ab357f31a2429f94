"""The devices: battery, delay, gaps, firmware, who is offline and where."""

from __future__ import annotations

from dashboards import common, influxql, limits
from dashboards.influxql import IN_AREA, OF_DEVICE
from dashboards.limits import BLUE
from dashboards.spec import Column, Dashboard, Panel, Query, Section
from dashboards.words import Words

_CHOSEN = f"{IN_AREA} AND {OF_DEVICE}"
#: All devices of an area are in these: for 18,000 that is 26 million points a day by the minute, 430,000 by the hour.
_HOUR = "1h"
_TIME = Column("Time", Words("", ""), hidden=True)


def _count(title: Words, about: Words, field: str, having: str, thresholds: tuple[limits.Step, ...]) -> Panel:
    query = influxql.over_newest("count", "device", field, _CHOSEN, by=["device"], having=having)
    return Panel(title, about, "stat", (Query(query, title),), "short", 6, 4, thresholds=thresholds, decimals=0)


_BATTERIES = Panel(
    Words("Batteries, lowest first", "电量（最低在前）"),
    Words("What each device said of its battery last; red is low and wants charging.",
          "各设备最近上报的电量；红色须充电。"),
    "table",
    (Query(influxql.newest("device", ["battery"], _CHOSEN, by=["device", "area"]), table=True),),
    "none", 12, 10,
    columns=(
        Column("Time", Words("Told", "上报时间"), "dateTimeFromNow"),
        Column("device", common.DEVICE),
        Column("area", common.AREA),
        Column("battery", Words("Battery", "电量"), "percent", limits.BATTERY_PCT, 0, gauge=True),
    ),
    sort=("battery", False),
)  # fmt: skip
_BATTERY_TIME = Panel(
    Words("Battery by area", "各区域电量"),
    Words("The mean charge in each area and the lowest of all.", "各区域平均电量与全体最低电量。"),
    "timeseries",
    (
        Query(influxql.zoomed("device", "battery", _CHOSEN, by=["area"]), Words("$tag_area", "$tag_area")),
        Query(influxql.zoomed("device", "battery", _CHOSEN, stat="min"), Words("lowest", "最低"),
              look={"color": "red", "custom.lineStyle": {"fill": "dash", "dash": [6, 6]}}),
    ),
    "percent", 12, 10, thresholds=limits.BATTERY_PCT, least=0, most=100, decimals=0, shortest_step=_HOUR,
)  # fmt: skip
_LAG = Panel(
    Words("Delay of messages", "消息延迟"),
    Words(
        "How old messages are on arrival: the mean and the worst of each step. Red is beyond what counts as now.",
        "消息到达时的延迟：每步平均值与最大值。红色为超出实时范围。",
    ),
    "timeseries",
    (
        Query(influxql.zoomed("device", "lag_ms", _CHOSEN), Words("mean", "平均"), look={"color": BLUE}),
        Query(influxql.zoomed("device", "lag_ms", _CHOSEN, stat="max"), Words("worst", "最大"),
              look={"color": "purple"}),
    ),
    "ms", 12, thresholds=limits.LAG_MS, least=0, decimals=0, shortest_step=_HOUR,
)  # fmt: skip
_GAPS = Panel(
    Words("Messages missing in the sequence", "序列缺失"),
    Words(
        f"How much of a device's newest {limits.GAP_WINDOW} motion messages never came: the worst device of each area. "
        "Red is what the detector calls a bad link, when it lasts.",
        f"设备最近 {limits.GAP_WINDOW} 条运动消息中未到达的比例：各区域最差设备。红色为持续时判定链路差的水平。",
    ),
    "timeseries",
    (
        Query(
            influxql.zoomed("device", "seq_gap", _CHOSEN, stat="max", by=["area"],
                            scale=f"* 100 / {limits.GAP_WINDOW}"),
            Words("$tag_area", "$tag_area"),
        ),
    ),
    "percent", 12, draw="steps", thresholds=limits.LOST_PCT, least=0, soft=(0, 6), decimals=0, shortest_step=_HOUR,
)  # fmt: skip
_ONLINE = Panel(
    Words("Devices online by area", "各区域在线设备"),
    Words("Devices that are heard of, each area with all below it.", "在线设备数（各区域含下级）。"),
    "timeseries",
    (Query(influxql.zoomed("area_state", "devices_online", IN_AREA, by=["area"]), Words("$tag_area", "$tag_area")),),
    "short", 12, draw="steps", soft=(0, 5), decimals=0, shortest_step="1m",
)  # fmt: skip
_OFFLINE = Panel(
    Words("Offline by area", "各区域离线设备"),
    Words("How many devices said goodbye, or the broker said it for them.", "已离线（含遗嘱消息）的设备数。"),
    "table",
    (Query(influxql.over_newest("count", "device", "online", _CHOSEN, by=["device", "area"], having='"v" = 0',
                                named="offline", within=["area"]), table=True),),
    "none", 12,
    columns=(
        _TIME,
        Column("area", common.AREA),
        Column("offline", Words("Offline", "离线"), thresholds=limits.NONE_WANTED, decimals=0),
    ),
    sort=("offline", True),
)  # fmt: skip
_FIRMWARE = Panel(
    Words("Firmware", "固件版本"),
    Words("How many devices run which version.", "各固件版本的设备数。"),
    "table",
    (Query(influxql.newest("device", ["fw"], _CHOSEN, by=["device"]), table=True),),
    "none", 8,
    columns=(Column("fw", Words("Firmware", "固件")), Column("device (count)", Words("Devices", "设备数"), decimals=0)),
    transformations=(
        {"id": "groupBy", "options": {"fields": {
            "fw": {"operation": "groupby", "aggregations": []},
            "device": {"operation": "aggregate", "aggregations": ["count"]},
        }}},
    ),
    sort=("device (count)", True),
)  # fmt: skip
_FINDINGS = Panel(
    Words("What is found about devices", "设备发现"),
    Words(
        "The newest beginning (standing) or end of each finding: silence, low battery, clock, stuck sensor, storms of "
        "reconnects. Device `$area` is what those of an area share.",
        "各项发现的最新开始（持续）或结束：静默、电量低、时钟、传感器卡滞、反复重连。设备 `$area` 表示区域共性问题。",
    ),
    "table",
    (Query(influxql.newest("device_finding", ["standing"], _CHOSEN, by=["device", "kind", "area"]), table=True),),
    "none", 16,
    columns=(
        Column("Time", Words("Since", "时间"), "dateTimeFromNow"),
        Column("device", common.DEVICE),
        Column("kind", Words("Kind", "类型")),
        Column("area", common.AREA),
        Column("standing", Words("State", "状态"), words={
            "1": (Words("standing", "持续"), "red"), "0": (Words("over", "已结束"), "green"),
        }),
    ),
    sort=("standing", True),
)  # fmt: skip

DASHBOARD = Dashboard(
    "fleet",
    Words("Fleet", "设备"),
    Words("Battery, delay, gaps, firmware, and who is offline where.", "电量、延迟、缺失、固件与离线情况。"),
    (common.area(), common.devices_of_area()),
    (
        Section(
            Words("How many", "数量"),
            (
                _count(Words("Devices that told something", "有上报的设备"),
                       Words("Devices with a status in the time range.", "所选时间内有状态上报的设备。"),
                       "online", "", limits.PLAIN),
                _count(Words("Online", "在线"), Words("Their newest status says online.", "最新状态为在线。"),
                       "online", '"v" = 1', limits.PLAIN),
                _count(Words("Offline", "离线"), Words("Their newest status says offline.", "最新状态为离线。"),
                       "online", '"v" = 0', limits.NONE_WANTED),
                _count(Words("Battery low", "电量低"),
                       Words("Their newest charge is what the detector calls low, or less.",
                             "最新电量不高于低电量阈值。"),
                       "battery", f'"v" <= {limits.LOW_BATTERY_PCT:g}', limits.NONE_WANTED),
            ),
        ),
        Section(Words("Batteries", "电量"), (_BATTERIES, _BATTERY_TIME)),
        Section(Words("Links", "链路"), (_LAG, _GAPS, _ONLINE, _OFFLINE)),
        Section(Words("Firmware and findings", "固件与发现"), (_FIRMWARE, _FINDINGS)),
    ),
    since="now-24h",
    refresh="1m",
)  # fmt: skip
