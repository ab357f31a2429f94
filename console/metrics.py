"""How the system is, for programs that watch it: ``/metrics`` (Prometheus) and ``/readyz``.

Labels are words of ours: severities, states, channel types, reasons, stages. No label names a person, a device or a
responder.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, case, func, select
from sqlalchemy.exc import DBAPIError

from alerts import models
from alerts.channels import type_of
from alerts.delivery import Status
from alerts.lifecycle import State
from console.access.gate import client_address
from console.access.models import attempt
from console.access.rules import OPEN, Permission, allow, whole
from console.feed import Feed
from console.points import Points
from console.reading import read_revision
from console.settings import ConsoleSettings
from journal.offsets import SUFFIX, load_offset
from journal.quarantine import read_tally, stages
from journal.segments import list_segments
from store import StoreError

_log = logging.getLogger(__name__)

#: Upper ends of the histogram of answers, in seconds: 60 and 180 are what the promises are measured by.
ANSWER_BUCKETS_S = (15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)
_NAME = "carecircle_"
_OTHER = "other"
#: Values of a label that come out of a table: more than these are put together, whatever stands there.
_MOST_VALUES = 64
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at. The folders are those of this machine; None: not here."""

    engine: Engine
    points: Points
    feed: Feed
    journal_dir: Path | None
    quarantine_dir: Path | None


def metric_routes(
    engine: Engine, settings: ConsoleSettings, points: Points, feed: Feed, now_ms: Callable[[], int]
) -> APIRouter:
    """``/metrics`` and ``/readyz``."""
    router = APIRouter()
    watched = Watched(engine, points, feed, settings.journal_dir, settings.quarantine_dir)

    @router.get("/metrics")
    @allow(OPEN if settings.metrics_open else whole(Permission.METRICS_READ))
    def metrics(request: Request) -> Response:
        if settings.metrics_open and not _is_here(request, settings):
            raise HTTPException(404)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Look(watched, now_ms()))
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    @router.get("/readyz")
    @allow(OPEN)
    def ready() -> Response:
        """200 while everything that pages need is there. It names what is not, and nothing of how it is reached."""
        checks = dict(readiness(watched))
        good = all(said in ("ok", "not set up") for said in checks.values())
        body = {"status": "ok" if good else "failing", "checks": checks}
        return Response(msgspec.json.encode(body), 200 if good else 503, media_type="application/json")

    return router


def readiness(watched: Watched) -> Iterator[tuple[str, str]]:
    """(what, how it is) for database, journals and store."""
    try:
        read_revision(watched.engine)
        yield "database", "ok"
    except DBAPIError as error:
        yield "database", f"does not answer ({type(error).__name__})"
    if watched.journal_dir is None:
        yield "journals", "not set up"
    elif not watched.journal_dir.is_dir():
        yield "journals", "the folder is not there: start the gateway, or see journal.dir"
    else:
        yield "journals", "ok"
    yield "store", _store_state(watched.points)


def _store_state(points: Points) -> str:
    if not points.configured:
        return "not set up"
    store = points.store()
    if store is None:
        return "is not there yet: start the writer, or see store.url"
    try:
        store.check()
    except StoreError as error:
        return f"does not answer ({type(error).__name__})"
    return "ok"


class _Look(Collector):
    """One look at everything: made for each scrape, so that nothing is kept and nothing is old."""

    def __init__(self, watched: Watched, now_ms: int) -> None:
        self._watched = watched
        self._now_ms = now_ms

    def collect(self) -> Iterable[Metric]:
        """All metrics; those of the database are left out while it is away."""
        build = GaugeMetricFamily(_NAME + "build_info", "1; the version is its label", labels=["version"])
        build.add_metric([_version()], 1)
        yield build
        yield GaugeMetricFamily(
            _NAME + "streams_connected", "Open pages that follow the board", value=self._watched.feed.listeners
        )
        found: list[Metric] = []
        try:
            with self._watched.engine.connect() as connection:
                found = list(of_database(connection, self._now_ms))
        except DBAPIError as error:
            _log.warning("the database does not tell its metrics: %r", error)
        yield GaugeMetricFamily(_NAME + "database_up", "1 while the database answers", value=bool(found))
        yield from found
        up = _store_state(self._watched.points)
        if up != "not set up":
            yield GaugeMetricFamily(_NAME + "store_up", "1 while the time series answer", value=up == "ok")
        yield from of_files(self._watched)


def of_database(connection: Connection, now_ms: int) -> Iterator[Metric]:
    """Incidents, notifications, answers, the outbox, and logins."""
    incident, notification = models.incident.c, models.notification.c
    opened = GaugeMetricFamily(
        _NAME + "incidents_open", "Incidents that are not resolved", labels=["severity", "state"]
    )
    query = select(incident.severity, incident.state, func.count()).where(incident.state != State.RESOLVED.value)
    _fill(opened, connection.execute(query.group_by(incident.severity, incident.state)))
    yield opened

    sent = CounterMetricFamily(
        _NAME + "notifications", "Messages by channel, where they stand, and why",
        labels=["channel", "status", "reason"],
    )  # fmt: skip
    by = (notification.channel, notification.status, notification.reason)
    rows = connection.execute(select(*by, func.count()).group_by(*by))
    _fill(sent, ((type_of(channel), status, reason or "", count) for channel, status, reason, count in rows))
    yield sent
    yield _answers(connection)

    pending = select(func.count(), func.min(notification.created_ms)).where(notification.status == Status.PENDING.value)
    count, oldest_ms = connection.execute(pending).one()
    yield GaugeMetricFamily(_NAME + "outbox_size", "Messages that are to be sent", value=count)
    age_s = 0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000
    yield GaugeMetricFamily(_NAME + "outbox_oldest_seconds", "Age of the oldest of them", value=age_s)
    waiting = connection.execute(select(func.count()).select_from(models.journal_outbox)).scalar_one()
    yield GaugeMetricFamily(_NAME + "journal_outbox_size", "Records that wait for the journals", value=waiting)

    logins = GaugeMetricFamily(
        _NAME + "login_attempts_day", "Attempts to log in of the last 24 hours", labels=["result"]
    )
    tried = select(attempt.c.result, func.count()).where(attempt.c.at_ms > now_ms - _DAY_MS).group_by(attempt.c.result)
    _fill(logins, connection.execute(tried))
    yield logins


def _answers(connection: Connection) -> Metric:
    """From the opening to the first acknowledgement, of everything that is not historical."""
    c = models.incident.c
    took_ms = c.acknowledged_ms - c.opened_ms
    ends = [func.coalesce(func.sum(case((took_ms <= end * 1000, 1), else_=0)), 0) for end in ANSWER_BUCKETS_S]
    query = select(func.count(), func.coalesce(func.sum(took_ms), 0), *ends)
    count, total_ms, *below = connection.execute(
        query.where(c.acknowledged_ms.is_not(None), c.historical.is_(False))
    ).one()
    histogram = HistogramMetricFamily(
        _NAME + "acknowledgement_seconds", "From the opening of an incident to its acknowledgement"
    )
    buckets = [(str(float(end)), float(n)) for end, n in zip(ANSWER_BUCKETS_S, below, strict=True)]
    histogram.add_metric([], [*buckets, ("+Inf", float(count))], sum_value=float(total_ms) / 1000)
    return histogram


def of_files(watched: Watched) -> Iterator[Metric]:
    """The journals and the quarantine of this machine."""
    if watched.journal_dir is not None and watched.journal_dir.is_dir():
        lag = GaugeMetricFamily(
            _NAME + "journal_lag_bytes", "Written and not yet taken", labels=["journal", "consumer"]
        )
        # of `raw`: even a gateway that hears nothing writes so every five seconds
        written = CounterMetricFamily(_NAME + "journal_written_bytes", "Ever written", labels=["journal"])
        for folder in sorted(path for path in watched.journal_dir.iterdir() if path.is_dir())[:_MOST_VALUES]:
            segments = list_segments(folder)
            if not segments:
                continue
            end = segments[-1].start + segments[-1].size()
            written.add_metric([folder.name], end)
            for path in sorted(folder.glob(f"*{SUFFIX}"))[:_MOST_VALUES]:
                position = load_offset(path)
                if position is not None:
                    lag.add_metric([folder.name, path.name.removesuffix(SUFFIX)], max(0, end - position))
        yield lag
        yield written
    if watched.quarantine_dir is not None:
        kept = CounterMetricFamily(
            _NAME + "quarantine", "Messages that could not be taken, by reason", labels=["stage", "reason"]
        )
        for stage in stages(watched.quarantine_dir):
            counts = read_tally(watched.quarantine_dir, stage).total()
            _fill(kept, ((stage, reason, count) for reason, count in sorted(counts.items())))
        yield kept


def _fill(metric: Any, rows: Iterable[Any]) -> None:
    """Samples of (labels ..., value); beyond so many sets of labels all in one."""
    values: dict[tuple[str, ...], float] = {}
    for *labels, value in rows:
        key = tuple(map(str, labels))
        if key not in values and len(values) >= _MOST_VALUES:
            key = (_OTHER,) * len(labels)
        values[key] = values.get(key, 0) + value
    for key, value in values.items():
        metric.add_metric(list(key), value)


def _version() -> str:
    try:
        return version("carecircle")
    except PackageNotFoundError:
        return "unknown"


def _is_here(request: Request, settings: ConsoleSettings) -> bool:
    """Whether somebody on this machine asks, and no proxy for somebody else: that asks for a name of ours."""
    return _is_loopback(client_address(request, settings)) and _is_loopback(request.url.hostname or "")


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
