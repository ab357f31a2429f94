"""One row a person, worst first."""

from __future__ import annotations

from dashboards import common, influxql, limits
from dashboards.influxql import IN_AREA
from dashboards.spec import Column, Dashboard, Panel, Query, Section, to
from dashboards.words import Words

_OF_ONE = to("patient", "var-area=${area}&var-person=${__data.fields.person}")
#: One field only: its time is when the person was scored last.
_PEOPLE = influxql.newest("score", ["value"], IN_AREA, by=["person", "area"])


def _how_many(title: Words, about: Words, points: int, color: str) -> Panel:
    steps = (limits.Step(None, limits.GREEN), limits.Step(1, color))
    query = influxql.over_newest("count", "score", "value", IN_AREA, by=["person"], having=f'"v" >= {points}')
    return Panel(title, about, "stat", (Query(query, title),), "none", 6, 4, thresholds=steps, decimals=0)


_LIST = Panel(
    Words("People, worst first", "人员（最危重在前）"),
    Words(
        "One row a person with a NEWS2 score in the time range; the line shows the score over the range. Click on a "
        "person to see everything.",
        "所选时间内有 NEWS2 评分的每人一行；曲线为评分变化。点击人员查看详情。",
    ),
    "table",
    (
        Query(influxql.zoomed("score", "value", IN_AREA, by=["person"], stat="max", named="trend")),
        Query(_PEOPLE, table=True),
        Query(influxql.newest("score", ["upper", "lower"], IN_AREA, by=["person"]), table=True),
        Query(influxql.newest("vitals", ["hr", "spo2", "rr"], IN_AREA, by=["person"]), table=True),
    ),
    "none", 24, 18,
    columns=(
        Column("person", common.PERSON, link=_OF_ONE, width=150),
        Column("value", Words("NEWS2", "NEWS2"), thresholds=limits.NEWS2, decimals=0, width=90),
        Column("upper", Words("at most", "至多"), decimals=0, width=80),
        Column("Trend #A", Words("Over the range", "变化"), sparkline=True),
        Column("hr", Words("Pulse", "脉搏"), "suffix:/min", limits.news2_bands("hr"), 0, width=110),
        Column("spo2", Words("Saturation", "血氧"), "percent", limits.news2_bands("spo2"), 0, width=110),
        Column("rr", Words("Breaths", "呼吸"), "suffix:/min", limits.news2_bands("rr"), 0, width=110),
        Column("area", common.AREA),
        Column("Time 1", Words("Last seen", "最近上报"), "dateTimeFromNow"),
        *(Column(name, Words("", ""), hidden=True) for name in ("Time 2", "Time 3", "lower")),
    ),
    sort=("value", True),
    transformations=(
        {"id": "timeSeriesTable", "filter": {"id": "byRefId", "options": "A"}, "options": {}},
        {"id": "joinByField", "options": {"byField": "person", "mode": "outer"}},
    ),
    shortest_step="1h",  # of everybody in the area: by the hour that is a twelfth of what is stored
)  # fmt: skip
_OPEN = Panel(
    Words("Incidents of the time range", "时间范围内的事件"),
    Words(
        "The newest step of each person's and kind's incidents; who is not resolved wants somebody.",
        "每人每类事件的最新步骤；未结束者仍需处理。",
    ),
    "table",
    (Query(influxql.newest("incident", ["state", "severity", "since_open_s"], IN_AREA, by=["person", "kind", "area"]),
           table=True),),
    "none", 24, 9,
    columns=(
        Column("Time", Words("", ""), hidden=True),
        Column("person", common.PERSON, link=_OF_ONE),
        Column("kind", Words("Kind", "类型")),
        Column("area", common.AREA),
        Column("state", Words("State", "状态"), words=common.STATE_WORDS),
        Column("severity", Words("Severity", "等级"), words=common.SEVERITY_WORDS),
        Column("since_open_s", Words("After", "距发生"), "s", decimals=0),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "ward",
    Words("Ward list", "病区一览"),
    Words("Everybody in an area, worst first.", "区域内所有人员，最危重在前。"),
    (common.area(),),
    (
        Section(
            Words("How many", "人数"),
            (
                Panel(
                    Words("People with a score", "有评分人数"),
                    Words("How many people have a score in the time range.", "所选时间内有评分的人数。"),
                    "stat",
                    (Query(influxql.over_newest("count", "score", "value", IN_AREA, by=["person"])),),
                    "none", 6, 4, decimals=0,
                ),
                _how_many(
                    Words("At once (NEWS2 7 or more)", "立即处理（NEWS2 ≥ 7）"),
                    Words("People whose newest score is an emergency.", "最新评分达到紧急的人数。"),
                    limits.EMERGENCY, limits.RED,
                ),
                _how_many(
                    Words("Within the hour (NEWS2 5 or more)", "一小时内（NEWS2 ≥ 5）"),
                    Words("People whose newest score is urgent, emergencies among them.",
                          "最新评分达到急查的人数（含紧急）。"),
                    limits.URGENT, limits.ORANGE,
                ),
                Panel(
                    Words("Open incidents", "未结束事件"),
                    Words("Incidents in the area that are not resolved.", "区域内尚未结束的事件。"),
                    "stat",
                    (Query(influxql.over_newest("sum", "area_state", "open_incidents", IN_AREA, by=["area"])),),
                    "none", 6, 4, thresholds=limits.NONE_WANTED, decimals=0,
                ),
            ),
        ),
        Section(Words("People", "人员"), (_LIST, _OPEN)),
    ),
    since="now-24h",
    refresh="30s",
)  # fmt: skip
