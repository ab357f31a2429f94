"""The API in one place: its routes, its description, and what stands around every answer.

``/api/v1`` stays as it is described while it is served: fields and operations are added, never taken away or changed in
meaning. What is not compatible becomes ``/api/v2`` beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import Engine

from alerts.settings import AlertSettings
from console.access.rules import OPEN, allow
from console.api.describing import describe, page_of
from console.api.devices import device_routes
from console.api.duty import duty_routes
from console.api.incidents import incident_routes
from console.api.models import ProblemBody
from console.api.people import person_routes
from console.api.plans import plan_routes
from console.api.problems import PREFIX
from console.api.reports import report_routes
from console.coverage.watching import Watch
from console.devices.index import DeviceIndex
from console.duty.knowing import BookKeeper
from console.points import Points
from console.reports.making import ReportMaker
from console.settings import ConsoleSettings

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "model": ProblemBody}
    for status, text in (
        (400, "not understood"), (401, "nobody is logged in"), (403, "not allowed"), (404, "not there"),
        (409, "stands differently"), (422, "not understood"), (503, "something behind the console is away"),
    )
}  # fmt: skip


def api_routes(
    engine: Engine,
    settings: ConsoleSettings,
    points: Points,
    index: DeviceIndex,
    keeper: BookKeeper,
    maker: ReportMaker,
    now_ms: Callable[[], int],
) -> tuple[APIRouter, APIRouter]:
    """What is served below ``/api/v1``, without this prefix; its description, also as a page for people."""
    rules = AlertSettings(link_key=settings.link_key, public_url=settings.public_url).rules
    api = APIRouter(responses=_ERRORS)
    for part in (
        incident_routes(engine, now_ms),
        person_routes(engine, points, now_ms),
        device_routes(index),
        duty_routes(engine, keeper, Watch(engine, keeper), now_ms),
        plan_routes(engine, rules, settings.zone, now_ms),
        report_routes(engine, maker, settings.zone, now_ms),
    ):
        api.include_router(part)
    about = APIRouter()

    @cache
    def description() -> dict[str, Any]:
        served = APIRouter()
        served.include_router(api, prefix=PREFIX)
        return describe(served)

    @about.get(f"{PREFIX}/openapi.json")
    @allow(OPEN)
    def openapi() -> Response:
        return JSONResponse(description())

    @about.get("/api")
    @allow(OPEN)
    def reference() -> Response:
        return HTMLResponse(page_of(description()))

    return api, about
