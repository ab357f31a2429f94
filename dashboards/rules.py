"""Alert rules about the platform itself: for Grafana on measurement `pipeline`, for Prometheus on our metrics.

About people alerts has rules of its own; what stands here is for whoever keeps the machines running. Grafana's rules
need InfluxDB to be written; that it is not is one of them, and Prometheus says the same without it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from dashboards.files import DATASOURCE_UID, uid
from dashboards.limits import LAG_BYTES
from dashboards.words import Words

LAG_LIMIT_BYTES = int(LAG_BYTES[-1].value or 0)
#: A gateway that listens and hears nothing says so every 5 s, so 0.2 a second is silence and less is no gateway.
READS_PER_S, MESSAGES_PER_S = 0.1, 0.3
#: The same in bytes of the journal `raw`, where such a sign takes 60 (12 a second).
READS_BYTES_PER_S, MESSAGES_BYTES_PER_S = 6, 15
#: An outbox is emptied within seconds; a message that waits so long waits for somebody.
OUTBOX_S = 120
_FOLDER = "CareCircle"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of Grafana's.

    Attributes:
        select: over ``stage``, one number per minute; ``reduce`` makes one of them.
        above: it fires above the limit, otherwise below.
        over_s: how much is looked at. ``for_s``: how long it has to hold.
        silent: what no rows at all mean.
    """

    name: str
    title: Words
    what_to_do: Words
    stage: str
    select: str
    reduce: Literal["max", "min", "mean", "last"]
    above: bool
    limit: float
    over_s: int
    for_s: int
    silent: Literal["Alerting", "OK"] = "OK"
    away: Literal["Alerting", "KeepLast"] = "KeepLast"

    @property
    def query(self) -> str:
        """Per host and minute, so that one host that stands still is not hidden by another."""
        return (
            f'SELECT {self.select} AS "value" FROM "telem".."pipeline" '
            f"WHERE $timeFilter AND \"stage\" = '{self.stage}' "
            'GROUP BY time(1m), "host" fill(none)'
        )


RULES: tuple[Rule, ...] = (
    Rule(
        "journal-lag-processor",
        Words("The processor falls behind", "处理器积压"),
        Words("See `carecircle doctor`; a core that is busy, or a processor that has stopped.",
              "运行 `carecircle doctor`；检查 CPU 占用或处理器是否停止。"),
        "processor", 'max("lag_bytes")', "min", True, LAG_LIMIT_BYTES, 300, 120,
    ),
    Rule(
        "journal-lag-writer",
        Words("The writer falls behind", "写入器积压"),
        Words("InfluxDB is slow or refuses: see the writer's log and the dashboard Pipeline.",
              "InfluxDB 缓慢或拒绝写入：查看写入器日志与“数据管道”看板。"),
        "writer", 'max("lag_bytes")', "min", True, LAG_LIMIT_BYTES, 300, 120,
    ),
    Rule(
        "journal-lag-alerts",
        Words("Alerts falls behind: detections wait", "告警服务积压：检测结果等待处理"),
        Words("At once: detections wait to become calls. See the log of the role alerts.",
              "立即处理：检测结果尚未转为呼叫。查看 alerts 角色日志。"),
        "alerts", 'max("lag_bytes")', "min", True, 1024, 120, 0,
    ),
    Rule(
        "gateway-not-reading",
        Words("The gateway does not read", "网关未在读取"),
        Words("Not even its own sign of listening arrives: is the role gateway running, is the disk full, is the "
              "broker there? `carecircle doctor` says which.",
              "连监听心跳也未收到：网关是否运行、磁盘是否已满、代理是否可达？运行 `carecircle doctor`。"),
        "processor", 'mean("messages_per_s")', "max", False, READS_PER_S, 120, 60,
    ),
    Rule(
        "no-messages",
        Words("No device sends anything", "没有任何设备上报"),
        Words("The gateway listens and nothing comes: the broker, its listeners, the network of the devices.",
              "网关在监听但无消息：检查代理、监听端口与设备网络。"),
        "processor", 'mean("messages_per_s")', "max", False, MESSAGES_PER_S, 600, 0,
    ),
    Rule(
        "processor-silent",
        Words("The processor says nothing", "处理器无输出"),
        Words("No point of the processor for five minutes while others are written: is its role running?",
              "五分钟内没有处理器数据而其他数据正常：检查该角色是否运行。"),
        "processor", 'count("lag_bytes")', "max", False, 1, 300, 0, "Alerting",
    ),
    Rule(
        "influxdb-away",
        Words("InfluxDB is away, or the writer", "InfluxDB 或写入器不可用"),
        Words("Nothing is lost: points wait in the journals, about 1 GB an hour for 18,000 wearers. Bring InfluxDB "
              "back, or see the writer's log.",
              "数据不会丢失：数据点在日志中等待（18,000 名佩戴者约 1 GB/小时）。恢复 InfluxDB 或查看写入器日志。"),
        "writer", 'count("points_per_s")', "max", False, 1, 300, 0, "Alerting", "Alerting",
    ),
    Rule(
        "outbox-stuck",
        Words("Messages to responders do not leave", "通知未能发出"),
        Words("A channel has been working on messages for ten minutes without a break: see `carecircle incidents` and "
              "the log of the role alerts; call people by telephone meanwhile.",
              "渠道持续十分钟未能发出通知：查看 `carecircle incidents` 与 alerts 日志；期间请电话联系。"),
        "alerts", 'min("in_flight")', "min", True, 0, 600, 0,
    ),
    Rule(
        "alerts-silent",
        Words("Alerts says nothing", "告警服务无输出"),
        Words("At once: without the role alerts nobody is called. Is it running, does its database answer?",
              "立即处理：没有 alerts 角色将无人被呼叫。检查其是否运行、数据库是否应答。"),
        "alerts", 'count("in_flight")', "max", False, 1, 180, 0, "Alerting",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrometheusRule:
    """A rule over the console's /metrics."""

    name: str
    expression: str
    for_s: int
    severity: Literal["critical", "warning"]
    title: Words


PROMETHEUS: tuple[PrometheusRule, ...] = (
    PrometheusRule("CareCircleJournalLag", f"carecircle_journal_lag_bytes > {LAG_LIMIT_BYTES}", 300, "warning",
                   Words("{{ $labels.consumer }} is behind with the journal {{ $labels.journal }}",
                         "{{ $labels.consumer }} 落后于日志 {{ $labels.journal }}")),
    PrometheusRule("CareCircleDetectionsWait", 'carecircle_journal_lag_bytes{journal="detections"} > 1024', 120,
                   "critical",
                   Words("Detections wait to become calls", "检测结果尚未转为呼叫")),
    PrometheusRule("CareCircleGatewayNotReading",
                   f'rate(carecircle_journal_written_bytes_total{{journal="raw"}}[2m]) < {READS_BYTES_PER_S}', 60,
                   "critical", Words("The gateway does not read", "网关未在读取")),
    PrometheusRule("CareCircleNoMessages",
                   f'rate(carecircle_journal_written_bytes_total{{journal="raw"}}[10m]) < {MESSAGES_BYTES_PER_S}', 60,
                   "warning", Words("No device sends anything", "没有任何设备上报")),
    PrometheusRule("CareCircleStoreAway", "carecircle_store_up == 0", 120, "warning",
                   Words("InfluxDB does not answer; points wait in the journals",
                         "InfluxDB 无应答；数据点在日志中等待")),
    PrometheusRule("CareCircleDatabaseAway", "carecircle_database_up == 0", 30, "critical",
                   Words("The database does not answer: nobody is called", "数据库无应答：无人会被呼叫")),
    PrometheusRule("CareCircleOutboxStuck", f"carecircle_outbox_oldest_seconds > {OUTBOX_S}", 0, "critical",
                   Words("A message to a responder waits for {{ $value | humanizeDuration }}",
                         "有通知已等待 {{ $value | humanizeDuration }}")),
    PrometheusRule("CareCircleJournalOutboxStuck", "min_over_time(carecircle_journal_outbox_size[10m]) > 0", 0,
                   "warning",
                   Words("Records wait for the journals: is the disk full?", "记录无法写入日志：磁盘是否已满？")),
    PrometheusRule("CareCircleConsoleAway", "absent(carecircle_build_info)", 120, "critical",
                   Words("The console does not tell its metrics", "控制台未提供指标")),
)  # fmt: skip


def _model(ref: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref, "type": kind, "datasource": {"type": "__expr__", "uid": "__expr__"}, **more},
    }


def _grafana(rule: Rule) -> dict[str, Any]:
    evaluator = {"type": "gt" if rule.above else "lt", "params": [rule.limit]}
    asked = {
        "refId": "A",
        "datasourceUid": DATASOURCE_UID,
        "relativeTimeRange": {"from": rule.over_s, "to": 0},
        "model": {
            "refId": "A",
            "datasource": {"type": "influxdb", "uid": DATASOURCE_UID},
            "rawQuery": True,
            "query": rule.query,
            "resultFormat": "time_series",
            "intervalMs": 60_000,
            "maxDataPoints": 1_000,
        },
    }
    return {
        "uid": f"carecircle-{rule.name}",
        "title": f"{rule.title.en} {rule.title.zh}",
        "condition": "C",
        "data": [
            asked,
            _model("B", "reduce", expression="A", reducer=rule.reduce),
            _model("C", "threshold", expression="B", conditions=[{"evaluator": evaluator}]),
        ],
        "noDataState": rule.silent,
        "execErrState": rule.away,
        "for": f"{rule.for_s}s",
        "labels": {"source": "carecircle", "about": "platform"},
        "annotations": {
            "summary": f"{rule.title.en} / {rule.title.zh}",
            "description": f"{rule.what_to_do.en} / {rule.what_to_do.zh}",
            "__dashboardUid__": uid("pipeline", "en"),
        },
        "isPaused": False,
    }


def grafana_rules() -> str:
    """The file for Grafana's provisioning of alerting."""
    group = {
        "orgId": 1,
        "name": "carecircle-platform",
        "folder": _FOLDER,
        "interval": "1m",
        "rules": [_grafana(rule) for rule in RULES],
    }
    return json.dumps({"apiVersion": 1, "groups": [group]}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def prometheus_rules() -> str:
    """The rules file for Prometheus."""
    rules = [
        {
            "alert": rule.name,
            "expr": rule.expression,
            "for": f"{rule.for_s}s",
            "labels": {"severity": rule.severity, "source": "carecircle"},
            "annotations": {"summary": f"{rule.title.en} / {rule.title.zh}"},
        }
        for rule in PROMETHEUS
    ]
    groups = {"groups": [{"name": "carecircle", "interval": "30s", "rules": rules}]}
    return yaml.safe_dump(groups, allow_unicode=True, sort_keys=False, width=120)
