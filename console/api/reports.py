"""The response-time figures, as the page of reports has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy import Engine

from alerts.reporting import csv_text, rows
from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.access.viewer import Viewer
from console.api.models import FigureRow, Figures
from console.api.problems import Problem
from console.api.tagging import Tagged
from console.reports.making import ReportMaker, Wanted, smallest
from console.reports.periods import MOST_DAYS, Span, period_of
from registry.database import writing
from registry.models import area as areas

_WAIT_S = 60.0
_WORDS = frozenset({"by", "key", "name"})


def report_routes(engine: Engine, maker: ReportMaker, zone: ZoneInfo, now_ms: Callable[[], int]) -> APIRouter:
    """``/reports/figures``."""
    router = APIRouter(tags=["reports"], route_class=Tagged)

    @router.get(
        "/reports/figures", response_model=Figures,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )  # fmt: skip
    @allow(listed(Permission.REPORTS_READ))
    def get_figures(
        viewer: CurrentViewer,
        first: Annotated[date | None, Query(alias="from", description="a local day")] = None,
        last: Annotated[date | None, Query(alias="to", description="a local day, which counts too")] = None,
        area: Annotated[str, Query(max_length=255, description="this one and all below")] = "",
        form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    ) -> Any:
        """How soon somebody answered and stood at the door: in all, by area, hour, responder and provider; of the last
        30 days unless both days are given."""
        span = Span.MONTH if first is None or last is None else Span.CUSTOM
        period = period_of(span.value, str(first or ""), str(last or ""), now_ms(), zone)
        if period.wrong:
            raise Problem("invalid", f"`from` must not be after `to`, nor {MOST_DAYS} days before it.")
        wanted = Wanted(_areas(viewer, area), period.from_ms, period.to_ms)
        report = maker.get(wanted, wait_s=_WAIT_S).report if wanted.areas or viewer.everywhere else None
        if report is None:
            raise Problem("unavailable", "The report is being made: ask again in a minute.")
        with writing(engine) as connection:
            record_view(connection, viewer, "export", "report", now_ms(), area=",".join(wanted.areas)[:255])
        if form == "csv":
            return Response(csv_text(report), media_type="text/csv; charset=utf-8")
        found = [
            FigureRow(
                by=str(row["by"]), key=str(row["key"]), name=str(row["name"]),
                figures={name: value for name, value in row.items() if name not in _WORDS},
            )
            for row in rows(report)
        ]  # fmt: skip
        return Figures(from_ms=period.from_ms, to_ms=period.to_ms, rows=found)

    def _areas(viewer: Viewer, area: str) -> tuple[str, ...]:
        if not area:
            return () if viewer.everywhere else smallest(viewer.areas)
        if area.isprintable() and viewer.sees(area):
            with engine.connect() as connection:
                if connection.execute(areas.select().where(areas.c.path == area)).first() is not None:
                    return (area,)
        raise Problem("not-found", "`area` is none of the user's areas: see /api/v1/coverage.")

    return router
