"""City, district, street, community: how things stand, with a way down."""

from __future__ import annotations

from dashboards import common, influxql, limits
from dashboards.influxql import AREA_ITSELF, IN_AREA
from dashboards.responses import ARRIVED, TAKEN
from dashboards.spec import Column, Dashboard, Panel, Query, Section, Variable, to
from dashboards.words import Words

_BELOW = r'"area" =~ /^${below:regex}(\.|$)/'
_BELOW_ITSELF = '"area" =~ /^${below:regex}$/'
#: The processor counts what is online in an area with all below it, alerts counts the rest area by area.
_WHOLE = "devices_online"
_HERE = to("supervision", "var-area=${__data.fields.area}")
_STATE = (
    ("people", Words("People", "人员"), limits.PLAIN),
    ("devices_online", Words("Devices online", "在线设备"), limits.PLAIN),
    ("open_incidents", Words("Open incidents", "未结束事件"), limits.NONE_WANTED),
    ("on_call", Words("On call", "值班"), limits.PLAIN),
    ("uncovered", Words("Not covered", "未覆盖"), limits.NONE_WANTED),
)
_ABOUT = {
    "people": Words("People who live here.", "居住人数。"),
    "devices_online": Words("Devices that are heard of now.", "当前在线的设备。"),
    "open_incidents": Words("Incidents that are not resolved.", "尚未结束的事件。"),
    "on_call": Words(
        "Turns on call now; who is on call for several areas counts in each of them.",
        "当前值班数；同时值守多个区域者在每个区域各计一次。",
    ),
    "uncovered": Words("People whom nobody on call reaches within 15 minutes.", "值班人员 15 分钟内无法到达的人数。"),
}


def _now(field: str, title: Words, thresholds: tuple[limits.Step, ...], w: int) -> Panel:
    query = influxql.over_newest("sum", "area_state", field, AREA_ITSELF if field == _WHOLE else IN_AREA, by=["area"])
    return Panel(title, _ABOUT[field], "stat", (Query(query, title),), "short", w, 4, thresholds=thresholds, decimals=0)


_CHILD = Panel(
    Words("${below}", "${below}"),
    Words(
        "An area right below the chosen one, with all that is in it. Click to go there.",
        "所选区域的直接下级（含其全部下级）。点击进入。",
    ),
    "stat",
    tuple(
        Query(influxql.over_newest("sum", "area_state", field, _BELOW_ITSELF if field == _WHOLE else _BELOW,
                                   by=["area"]), words,
              look={"thresholds": thresholds})
        for field, words, thresholds in _STATE
    ),
    "short", 24, 4, decimals=0, repeat="below", link=to("supervision", "var-area=${below}"),
    link_title=Words("Go to ${below}", "进入 ${below}"),
)  # fmt: skip
_AREAS = Panel(
    Words("All areas below", "全部下级区域"),
    Words(
        "Each area by itself, without those below it (devices: with them); click on one to go there.",
        "各区域自身的数据（不含下级；在线设备含下级）；点击进入。",
    ),
    "table",
    (Query(influxql.newest("area_state", [field for field, _, _ in _STATE], IN_AREA, by=["area"]), table=True),),
    "none", 24, 10,
    columns=(
        Column("Time", Words("", ""), hidden=True),
        Column("area", common.AREA, link=_HERE),
        *(Column(field, words, thresholds=() if steps is limits.PLAIN else steps, decimals=0)
          for field, words, steps in _STATE),
    ),
    sort=("open_incidents", True),
)  # fmt: skip


def _over_time(field: str, title: Words, about: Words) -> Panel:
    # the areas' means on top of each other are the sum, at any zoom
    query = influxql.zoomed("area_state", field, IN_AREA, by=["area"])
    return Panel(
        title, about, "timeseries", (Query(query, Words("$tag_area", "$tag_area")),), "short", 12,
        stack=field != _WHOLE, draw="steps", soft=(0, 2), decimals=0, shortest_step="1m",
    )  # fmt: skip


DASHBOARD = Dashboard(
    "supervision",
    Words("Supervision", "监管"),
    Words(
        "City, district, street, community, live: people, devices, incidents, answers; go down by clicking.",
        "市、区、街道、社区实时态势：人员、设备、事件与响应；点击逐级下钻。",
    ),
    (
        common.area(every=False),
        Variable(
            "below", Words("Right below", "直接下级"),
            influxql.values_of("area", ["area_state"], r'"area" =~ /^${area:regex}\.[^.]+$/'),
            every=True, several=True, listed=True, hidden=True,
        ),
    ),
    (
        Section(
            Words("Here and below", "本区域及下级"),
            tuple(_now(*state, w) for state, w in zip(_STATE, (5, 5, 5, 4, 5), strict=True)),
        ),
        Section(Words("One level down", "下一级"), (_CHILD,)),
        Section(
            Words("Answers", "响应"),
            (
                Panel(
                    Words("Answered within 60 s", "60 秒内接警"),
                    Words("Share of the answers of the time range; the goal is 97.5 %.",
                          "所选时间内的接警比例；目标 97.5 %。"),
                    "stat",
                    (Query(influxql.incident_share(f'"since_open_s" <= {limits.ANSWERED_SOON_S}', TAKEN, IN_AREA,
                                                   named="share")),),
                    "percent", 6, thresholds=limits.ANSWERED_SOON_PCT, decimals=1,
                ),
                Panel(
                    Words("At the door within 15 min", "15 分钟内到场"),
                    Words("Share of the arrivals of the time range.", "所选时间内的到场比例。"),
                    "stat",
                    (Query(influxql.incident_share(f'"since_open_s" <= {limits.DOOR_S}', ARRIVED, IN_AREA,
                                                   named="share")),),
                    "percent", 6, decimals=1,
                ),
                Panel(
                    Words("Incidents by kind", "各类事件"),
                    Words("How many incidents were opened, by kind.", "各类新发事件数。"),
                    "timeseries",
                    (Query(influxql.incidents('count("since_open_s") AS "opened"', IN_AREA,
                                              state="\"state\" = 'open'", by=["kind"], step="$__interval"),
                           Words("$tag_kind", "$tag_kind")),),
                    "short", 12, draw="bars", stack=True, soft=(0, 5), decimals=0, shortest_step="10m",
                ),
            ),
        ),
        Section(
            Words("Over time", "变化"),
            (
                _over_time("open_incidents", Words("Open incidents", "未结束事件"),
                               Words("The areas on top of each other.", "各区域叠加。")),
                _over_time("devices_online", Words("Devices online", "在线设备"),
                           Words("Each area with all below it.", "各区域（含下级）。")),
                _AREAS,
            ),
        ),
    ),
    since="now-6h",
    refresh="30s",
    events=influxql.incidents('"state", "severity", "kind"', IN_AREA, state="\"state\" = 'open'"),
)  # fmt: skip
