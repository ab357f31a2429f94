"""How soon somebody answered and stood at the door, against what is promised."""

from __future__ import annotations

from dashboards import common, influxql, limits
from dashboards.influxql import IN_AREA
from dashboards.spec import Column, Dashboard, Panel, Query, Section, to
from dashboards.words import Words

TAKEN, ARRIVED = "\"state\" = 'acknowledged'", "\"state\" = 'on_scene'"
RESOLVED = "\"state\" = 'resolved' AND \"outcome\" != 'test'"
FALSE_ALARM = "\"outcome\" = 'false_alarm'"
_HERE = to("responses", "var-area=${__data.fields.area}")

_SOON, _SOON_ENOUGH = Words("within 60 s", "60 秒内"), Words("60 to 180 s", "60–180 秒")
_LATE = Words("later", "超过 180 秒")


def _within(seconds: int) -> str:
    return f'"since_open_s" <= {seconds}'


def _share(title: Words, about: Words, hit: str, total: str, thresholds: tuple[limits.Step, ...]) -> Panel:
    query = influxql.incident_share(hit, total, IN_AREA, named="share")
    return Panel(title, about, "stat", (Query(query, title),), "percent", 6, 5, thresholds=thresholds, decimals=1)


def _over_time(title: Words, about: Words, state: str, thresholds: tuple[limits.Step, ...]) -> Panel:
    queries = tuple(
        Query(influxql.incidents(f'{select} AS "{name}"', IN_AREA, state=state, step="$__interval"), words, look=look)
        for select, name, words, look in (
            ('median("since_open_s")', "median", Words("half of them within", "中位数"), {"color": "blue"}),
            ('percentile("since_open_s", 95)', "p95", Words("95 % within", "95 分位"), {"color": "purple"}),
        )
    )
    return Panel(title, about, "timeseries", queries, "s", 12, thresholds=thresholds, least=0, decimals=0,
                 draw="points", band=True, shortest_step="1h")  # fmt: skip


_BY_HOUR = Panel(
    Words("Answers by hour of the day", "按一天中的小时统计接警"),
    Words(
        "How many incidents were answered within 60 s, within 180 s and later, by the hour at which they "
        "were answered.",
        "按接警时刻所在小时统计：60 秒内、180 秒内及更晚接警的事件数。",
    ),
    "barchart",
    tuple(
        Query(influxql.incidents(f'count("since_open_s") AS "{name}"', IN_AREA, state=f"{TAKEN} AND {when}", step="1h"),
              words, look={"color": color})
        for name, words, when, color in (
            ("soon", _SOON, _within(limits.ANSWERED_SOON_S), "green"),
            ("enough", _SOON_ENOUGH,
             f'"since_open_s" > {limits.ANSWERED_SOON_S} AND {_within(limits.ANSWERED_S)}', "yellow"),
            ("late", _LATE, f'"since_open_s" > {limits.ANSWERED_S}', "red"),
        )
    ),
    "short", 12, decimals=0, stack=True,
    transformations=(
        {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
        {"id": "formatTime", "options": {"timeField": "Time", "outputFormat": "HH", "useTimezone": True}},
        {"id": "groupBy", "options": {"fields": {
            "Time": {"operation": "groupby", "aggregations": []},
            **{name: {"operation": "aggregate", "aggregations": ["sum"]} for name in ("$0", "$1", "$2")},
        }}},
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "Time"}]}},
    ),
    shortest_step="1h",
)  # fmt: skip
_BY_AREA = Panel(
    Words("By area and station", "按区域与站点"),
    Words(
        "Answers and arrivals in each area by itself, the slowest first. Click on an area to see it alone.",
        "各区域自身的接警与到场用时，最慢在前。点击区域单独查看。",
    ),
    "table",
    (
        Query(influxql.incidents(
            'count("since_open_s") AS "answers", median("since_open_s") AS "median_s", '
            'percentile("since_open_s", 95) AS "p95_s"', IN_AREA, state=TAKEN, by=["area"]), table=True),
        Query(influxql.incidents('median("since_open_s") AS "door_s"', IN_AREA, state=ARRIVED, by=["area"]),
              table=True),
        Query(influxql.incident_share(_within(limits.ANSWERED_SOON_S), TAKEN, IN_AREA, named="soon_pct", by=["area"]),
              table=True),
        Query(influxql.incident_share(FALSE_ALARM, RESOLVED, IN_AREA, named="false_pct", by=["area"]), table=True),
    ),
    "none", 24, 10,
    columns=(
        Column("area", common.AREA, link=_HERE),
        Column("answers", Words("Answers", "接警数"), decimals=0),
        Column("soon_pct", Words("within 60 s", "60 秒内"), "percent", limits.ANSWERED_SOON_PCT, 1),
        Column("median_s", Words("half within", "中位数"), "s", limits.ANSWER_S, 0),
        Column("p95_s", Words("95 % within", "95 分位"), "s", limits.ANSWER_S, 0),
        Column("door_s", Words("at the door, half within", "到场中位数"), "s", limits.ARRIVAL_S, 0),
        Column("false_pct", Words("false alarms", "误报率"), "percent", decimals=0),
        *(Column(f"Time {at}", Words("", ""), hidden=True) for at in (1, 2, 3, 4)),
    ),
    sort=("median_s", True),
    transformations=({"id": "joinByField", "options": {"byField": "area", "mode": "outer"}},),
)  # fmt: skip
_UNCOVERED = Panel(
    Words("Who is not covered", "未覆盖人员"),
    Words(
        "People whom nobody on call can reach within 15 minutes, by area; the areas with most of them first.",
        "值班人员 15 分钟内无法到达的人数（按区域，多者在前）。",
    ),
    "table",
    (Query(influxql.newest("area_state", ["uncovered", "people", "on_call"], IN_AREA, by=["area"]), table=True),),
    "none", 12, 9,
    columns=(
        Column("Time", Words("", ""), hidden=True),
        Column("area", common.AREA, link=_HERE),
        Column("uncovered", Words("Not covered", "未覆盖"), thresholds=limits.NONE_WANTED, decimals=0),
        Column("people", Words("People", "人数"), decimals=0),
        Column("on_call", Words("On call", "值班"), decimals=0),
    ),
    sort=("uncovered", True),
)  # fmt: skip
_UNCOVERED_TIME = Panel(
    Words("Not covered over time", "未覆盖人数变化"),
    Words(
        "The mean number of people out of reach in each area by itself, over the time range.",
        "各区域自身平均未覆盖人数随时间变化。",
    ),
    "timeseries",
    (Query(influxql.zoomed("area_state", "uncovered", IN_AREA, by=["area"]), Words("$tag_area", "$tag_area")),),
    "short", 12, 9, thresholds=limits.NONE_WANTED, soft=(0, 5), decimals=0, draw="steps", shortest_step="1m",
)  # fmt: skip

DASHBOARD = Dashboard(
    "responses",
    Words("Responses", "响应"),
    Words(
        "Time to acknowledge and to arrive against 60 s, 180 s and 15 minutes; false alarms; who is not covered. It "
        "counts answers and arrivals that happened; `carecircle report` counts what never was answered, too.",
        "接警与到场用时对照 60 秒、180 秒与 15 分钟目标；误报率；未覆盖人员。此处统计已发生的接警与到场，"
        "从未接警的事件见 `carecircle report`。",
    ),
    (common.area(),),
    (
        Section(
            Words("Against what is promised", "对照承诺"),
            (
                _share(
                    Words("Answered within 60 s", "60 秒内接警"),
                    Words("Of those answered; the goal is 97.5 %.", "占已接警事件的比例；目标 97.5 %。"),
                    _within(limits.ANSWERED_SOON_S), TAKEN, limits.ANSWERED_SOON_PCT,
                ),
                _share(
                    Words("Answered within 180 s", "180 秒内接警"),
                    Words("Of those answered; the goal is 99 %.", "占已接警事件的比例；目标 99 %。"),
                    _within(limits.ANSWERED_S), TAKEN, limits.ANSWERED_PCT,
                ),
                _share(
                    Words("At the door within 15 min", "15 分钟内到场"),
                    Words("Of those where somebody arrived, from the opening on.", "占已到场事件的比例，自发生起计。"),
                    _within(limits.DOOR_S), ARRIVED, limits.PLAIN,
                ),
                _share(
                    Words("False alarms", "误报率"),
                    Words("Of what was resolved, tests left out.", "占已结束事件的比例，不含测试。"),
                    FALSE_ALARM, RESOLVED, limits.PLAIN,
                ),
            ),
        ),
        Section(
            Words("When", "时间"),
            (
                _over_time(
                    Words("Time to acknowledge", "接警用时"),
                    Words(
                        "From the opening of an incident until somebody took it; yellow from 60 s, red from 180 s.",
                        "自事件发生至有人接警；60 秒起黄色，180 秒起红色。",
                    ),
                    TAKEN, limits.ANSWER_S,
                ),
                _over_time(
                    Words("Time to arrive", "到场用时"),
                    Words(
                        "From the opening of an incident until somebody was there; red from 15 minutes.",
                        "自事件发生至有人到场；15 分钟起红色。",
                    ),
                    ARRIVED, limits.ARRIVAL_S,
                ),
                _BY_HOUR,
                Panel(
                    Words("What incidents were", "事件结果"),
                    Words("How many incidents ended in each way, by day.", "每日各类结果的事件数。"),
                    "timeseries",
                    tuple(
                        Query(influxql.incidents(f'count("since_open_s") AS "{outcome}"', IN_AREA,
                                                 state=f"\"state\" = 'resolved' AND \"outcome\" = '{outcome}'",
                                                 step="$__interval"),
                              words, look={"color": color})
                        for outcome, (words, color) in common.OUTCOME_WORDS.items()
                    ),
                    "short", 12, decimals=0, draw="bars", stack=True, soft=(0, 5), shortest_step="1h",
                ),
            ),
        ),
        Section(Words("Where", "地点"), (_BY_AREA, _UNCOVERED, _UNCOVERED_TIME)),
    ),
    since="now-7d",
    refresh="5m",
)  # fmt: skip
