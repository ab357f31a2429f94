"""The machines: messages, lag, quarantine, writing, detectors, notifications."""

from __future__ import annotations

from dashboards import influxql, limits
from dashboards.influxql import ON_HOST
from dashboards.spec import Dashboard, Panel, Query, Section, Variable
from dashboards.words import Words

_PROCESSOR, _WRITER, _ALERTS = "processor", "writer", "alerts"
_FIELD = Words("$col", "$col")

_NAMES = ({"id": "renameByRegex", "options": {"regex": "^(?:max_quarantined|sum)_(.*)$", "renamePattern": "$1"}},)


def _gauge(stage: str, field: str) -> str:
    return influxql.zoomed(
        "pipeline", field, f"\"stage\" = '{stage}' AND {ON_HOST}", stat="mean", by=["host"], named=field
    )


def _line(
    title: Words, about: Words, unit: str, *queries: tuple[str, str, Words], w: int = 12,
    thresholds: tuple[limits.Step, ...] = limits.PLAIN, soft: tuple[float, float] | None = None,
    decimals: int | None = None,
) -> Panel:  # fmt: skip
    asked = tuple(Query(_gauge(stage, field), words) for stage, field, words in queries)
    return Panel(title, about, "timeseries", asked, unit, w, thresholds=thresholds, least=0, soft=soft,
                 decimals=decimals)  # fmt: skip


def _latest(title: Words, about: Words, unit: str, stage: str, select: str, thresholds: tuple[limits.Step, ...],
            decimals: int = 0) -> Panel:  # fmt: skip
    query = f'SELECT {select} FROM "telem".."pipeline" WHERE $timeFilter AND "stage" = \'{stage}\' AND {ON_HOST}'
    return Panel(title, about, "stat", (Query(query, title),), unit, 6, 4, thresholds=thresholds, decimals=decimals)


_QUARANTINE = Panel(
    Words("Quarantine by reason", "隔离（按原因）"),
    Words(
        "Messages put aside since the processor started, by reason; see `carecircle quarantine list`.",
        "处理器启动以来隔离的消息数（按原因）；参见 `carecircle quarantine list`。",
    ),
    "timeseries",
    (Query(influxql.pipeline("max(/^quarantined_/)", _PROCESSOR), _FIELD),),
    "short", 12, decimals=0, soft=(0, 5), draw="steps", transformations=_NAMES,
)  # fmt: skip
_NOTIFICATIONS = Panel(
    Words("Notifications by outcome", "通知结果"),
    Words(
        "Messages sent and not sent in each step, with the reason of each.",
        "每步内已发送与未发送的消息及其原因。",
    ),
    "timeseries",
    (Query(influxql.pipeline("sum(/^(sent|not_sent|not_called|held|failed_over)_/)", _ALERTS), _FIELD),),
    "short", 12, draw="bars", stack=True, decimals=0, soft=(0, 5), transformations=_NAMES,
)  # fmt: skip

DASHBOARD = Dashboard(
    "pipeline",
    Words("Pipeline", "数据管道"),
    Words(
        "Messages a second, what waits in the journals, quarantine, writing, detectors, notifications.",
        "每秒消息数、日志积压、隔离、写入、检测与通知。",
    ),
    (Variable("host", Words("Host", "主机"), influxql.values_of("host", ["pipeline"]), every=True, several=True),),
    (
        Section(
            Words("Now", "当前"),
            (
                _latest(Words("Messages a second", "每秒消息"),
                        Words("What the processor took from the gateway last.", "处理器最近从网关读取的速率。"),
                        "suffix:/s", _PROCESSOR, 'last("messages_per_s")', limits.PLAIN, 1),
                _latest(Words("Not yet processed", "待处理"),
                        Words("Bytes in the journal that the processor has not read.", "日志中尚未处理的字节数。"),
                        "bytes", _PROCESSOR, 'last("lag_bytes")', limits.LAG_BYTES),
                _latest(Words("Not yet stored", "待写入"),
                        Words("Bytes in the journals that are not in InfluxDB.", "日志中尚未写入 InfluxDB 的字节数。"),
                        "bytes", _WRITER, 'last("lag_bytes")', limits.LAG_BYTES),
                _latest(Words("Processor busy", "处理器负载"),
                        Words("Share of one core that decoding and detectors need.", "解码与检测占用单核的比例。"),
                        "percentunit", _PROCESSOR, 'last("busy_share")', limits.BUSY_SHARE),
            ),
        ),
        Section(
            Words("Messages", "消息"),
            (
                _line(Words("Messages a second", "每秒消息"),
                      Words(
                          "Messages and repetitions of them. A gateway that listens and hears nothing makes 0.2 a "
                          "second; none at all means that it does not read.",
                          "消息数及重复数。网关在监听但无消息时约为 0.2/s；为零表示网关未在读取。",
                      ),
                      "suffix:/s",
                      (_PROCESSOR, "messages_per_s", Words("messages", "消息")),
                      (_PROCESSOR, "duplicates_per_s", Words("repeated", "重复")),
                      soft=(0, 1)),
                _line(Words("Journal lag", "日志积压"),
                      Words("What each stage has not yet read.", "各阶段尚未读取的字节数。"),
                      "bytes",
                      (_PROCESSOR, "lag_bytes", Words("processor", "处理")),
                      (_WRITER, "lag_bytes", Words("writer", "写入")),
                      (_ALERTS, "lag_bytes", Words("alerts", "告警")),
                      thresholds=limits.LAG_BYTES, soft=(0, 1024)),
                _QUARANTINE,
                _line(Words("Detectors", "检测"),
                      Words("Detections a second, all stages.", "每秒检测数（含各阶段）。"),
                      "suffix:/s",
                      (_PROCESSOR, "detections_per_s", Words("detections", "检测")), soft=(0, 0.1)),
            ),
        ),
        Section(
            Words("Detector time and writing", "检测用时与写入"),
            (
                _line(Words("Detector time", "检测用时"),
                      Words("Share of one core that decoding and detectors need; 1 is all of it.",
                            "解码与检测占用单核的比例；1 为满载。"),
                      "percentunit", (_PROCESSOR, "busy_share", Words("busy", "占用")),
                      thresholds=limits.BUSY_SHARE, soft=(0, 1)),
                _line(Words("Time to write", "写入用时"),
                      Words("How long InfluxDB takes for a batch of up to 5,000 points.",
                            "InfluxDB 写入一批（至多 5,000 点）所需时间。"),
                      "ms", (_WRITER, "write_ms", Words("a batch", "每批")),
                      thresholds=limits.WRITE_MS, soft=(0, 100), decimals=0),
                _line(Words("Points stored", "写入点数"),
                      Words("Points a second into InfluxDB.", "每秒写入 InfluxDB 的点数。"),
                      "suffix:/s", (_WRITER, "points_per_s", Words("points", "点")), soft=(0, 10)),
                _line(Words("Trouble with writing", "写入异常"),
                      Words("Attempts that had to be repeated, points refused, windows that wait for a roll-up.",
                            "重试次数、被拒点数与待汇总窗口。"),
                      "short",
                      (_WRITER, "retries", Words("attempts repeated", "重试")),
                      (_WRITER, "rejected", Words("points refused", "拒绝")),
                      (_WRITER, "dirty_windows", Words("windows to roll up", "待汇总")), soft=(0, 5)),
            ),
        ),
        Section(
            Words("Alerts", "告警"),
            (
                _NOTIFICATIONS,
                _line(Words("Being sent", "发送中"),
                      Words("Messages that channels are working on.", "各渠道正在发送的消息数。"),
                      "short", (_ALERTS, "in_flight", Words("messages", "消息")), soft=(0, 5)),
            ),
        ),
    ),
    since="now-3h",
    refresh="30s",
)  # fmt: skip
