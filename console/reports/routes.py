"""The routes of reports: the page, and the same as CSV and as a page to print."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy import Engine

from alerts.reporting import Report, csv_text, page
from alerts.reporting.plots import answer_plot, hour_plot
from alerts.reporting.rating import LEAST_CASES
from alerts.reporting.showing import cells, facts, shown, tiles
from alerts.reporting.texts import KINDS, TEXTS, duration
from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.access.viewer import Viewer
from console.area_filter import AreaChoice, area_choice
from console.devices.index import DeviceIndex
from console.render import Renderer
from console.reports.making import ReportMaker, Wanted, smallest
from console.reports.periods import MOST_DAYS, Period, Span, period_of
from console.reports.showing import median_of, span_choices
from console.settings import ConsoleSettings
from registry.database import writing

#: A short report is there with the page; a program waits for a long one.
_PAGE_WAIT_S = 0.7
_FILE_WAIT_S = 60.0
_ROWS = 200
#: The file styles itself, and is never anything but a page to read.
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-modals"

AreaPath = Annotated[str, Query(max_length=255)]


def report_routes(
    engine: Engine, settings: ConsoleSettings, renderer: Renderer, index: DeviceIndex, maker: ReportMaker
) -> APIRouter:
    """Everything below ``/reports``."""
    router = APIRouter()

    def asked(
        viewer: Viewer, span: str, since: str, until: str, area: str
    ) -> tuple[Period, AreaChoice, Wanted, list[tuple[str, str]]]:
        period = period_of(span, since, until, renderer.now_ms(), settings.zone)
        kept = [("period", period.span.value)]
        if period.span is Span.CUSTOM:
            kept += [("from", period.first.isoformat()), ("to", period.last.isoformat())]
        names = {path: name for path, name in index.areas().items() if viewer.sees(path)}
        choice = area_choice(names, area, kept)
        if not viewer.everywhere and not viewer.areas:
            raise HTTPException(404)  # no areas are not all areas
        if choice.path:
            areas: tuple[str, ...] = (choice.path,)
        else:
            areas = () if viewer.everywhere else smallest(viewer.areas)
        return period, choice, Wanted(areas, period.from_ms, period.to_ms), kept

    def made(viewer: Viewer, wanted: Wanted) -> Report:
        making = maker.get(wanted, wait_s=_FILE_WAIT_S)
        if making.report is None:
            raise HTTPException(503)
        with writing(engine) as connection:
            area = ",".join(wanted.areas)[:255]
            record_view(connection, viewer, "export", "report", renderer.now_ms(), area=area)
        return making.report

    @router.get("/reports")
    @allow(listed(Permission.REPORTS_READ))
    def reports(
        request: Request,
        viewer: CurrentViewer,
        span: Annotated[str, Query(alias="period", max_length=16)] = "",
        since: Annotated[str, Query(alias="from", max_length=16)] = "",
        until: Annotated[str, Query(alias="to", max_length=16)] = "",
        area: AreaPath = "",
    ) -> Response:
        period, choice, wanted, kept = asked(viewer, span, since, until, area)
        making = maker.get(wanted, wait_s=_PAGE_WAIT_S)
        texts = renderer.texts(request)
        query = urlencode([*kept, *([("area", choice.path)] if choice.path else [])])
        return renderer.page(
            request, "reports.html", period=period, choice=choice, making=making, report=making.report,
            spans=span_choices(texts, period, choice), query=query, most_days=MOST_DAYS,
            may_incidents=viewer.may(Permission.INCIDENTS_READ), sees=viewer.sees,
            **(_figures(making.report, texts.language) if making.report else {}),
        )  # fmt: skip

    @router.get("/reports.csv")
    @allow(listed(Permission.REPORTS_READ))
    def table(
        viewer: CurrentViewer,
        span: Annotated[str, Query(alias="period", max_length=16)] = "",
        since: Annotated[str, Query(alias="from", max_length=16)] = "",
        until: Annotated[str, Query(alias="to", max_length=16)] = "",
        area: AreaPath = "",
    ) -> Response:
        period, _, wanted, _ = asked(viewer, span, since, until, area)
        return _file(csv_text(made(viewer, wanted)), "text/csv", f"{_name(period)}.csv")

    @router.get("/reports.html")
    @allow(listed(Permission.REPORTS_READ))
    def printable(
        request: Request,
        viewer: CurrentViewer,
        span: Annotated[str, Query(alias="period", max_length=16)] = "",
        since: Annotated[str, Query(alias="from", max_length=16)] = "",
        until: Annotated[str, Query(alias="to", max_length=16)] = "",
        area: AreaPath = "",
    ) -> Response:
        period, _, wanted, _ = asked(viewer, span, since, until, area)
        html = page(made(viewer, wanted), renderer.texts(request).language)
        return _file(html, "text/html", f"{_name(period)}.html", policy=_FILE_POLICY)

    return router


def _figures(report: Report, language: str) -> dict[str, Any]:
    """What the page says of a report, in the words of the printed one."""
    words = TEXTS[language]
    return {
        "words": words,
        "tiles": tiles(report.total, words),
        "facts": facts(report, words, language),
        "answer_plot": Markup(answer_plot(report.total, words, language)),
        "hour_plot": Markup(hour_plot(report.hours, words)),
        "cells": cells,
        "shown": shown,
        "took": lambda times_s: median_of(times_s, language),
        "duration": lambda seconds: duration(seconds, language),
        "kind": lambda name: KINDS[language].get(name, name),
        "least": LEAST_CASES,
        "rows_shown": _ROWS,
    }


def _name(period: Period) -> str:
    return f"response-times-{period.first}-{period.last}"


def _file(text: str, media_type: str, name: str, *, policy: str = "sandbox") -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-security-policy": policy}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)
