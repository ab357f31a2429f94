"""The console: a FastAPI application over the database of registry and alerts."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from console.access.account import account_routes
from console.access.gate import Refused, make_gate
from console.access.oidc import Provider
from console.access.pages import announcer, login_routes
from console.administration.routes import administration_routes
from console.answering import for_programs, refused
from console.api.problems import PREFIX, Problem
from console.api.routes import api_routes
from console.coverage.routes import coverage_routes
from console.devices.index import DeviceIndex
from console.devices.routes import device_routes
from console.duty.change_routes import change_routes
from console.duty.knowing import BookKeeper
from console.duty.own_routes import own_routes
from console.duty.routes import duty_routes
from console.feed import Feed
from console.fhir.routes import fhir_routes
from console.guard import Guard, protect
from console.guides.routes import guide_routes
from console.incidents import incident_routes
from console.links import link_routes
from console.metrics import metric_routes
from console.people.routes import people_routes
from console.people.threshold_routes import threshold_routes
from console.points import Points
from console.quarantine.routes import quarantine_routes
from console.reading import read_revision
from console.render import STATIC, Renderer
from console.replies import reply_routes
from console.reports.making import ReportMaker
from console.reports.routes import report_routes
from console.settings import ConsoleSettings
from registry import SealedError

_log = logging.getLogger(__name__)
_STATIC_CACHE = "public, max-age=31536000, immutable"


def wall_clock_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def create_app(engine: Engine, settings: ConsoleSettings, *, now_ms: Callable[[], int] = wall_clock_ms) -> FastAPI:
    """The application. The tables of registry, alerts and access must be there: ``registry.upgrade``,
    ``alerts.upgrade``, ``console.access.database.upgrade``.

    Serve it with :func:`console.server.serve`, which keeps it on this machine.
    """
    renderer = Renderer(settings, now_ms)
    points = Points(settings.store_url, token=settings.store_token, org=settings.store_org)
    index = DeviceIndex(engine, points.store)
    maker = ReportMaker(engine, lambda: read_revision(engine), settings.zone, now_ms)
    keeper = BookKeeper(engine)
    feed = Feed(lambda: read_revision(engine), poll_s=settings.poll_s)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            async with feed.running():
                yield
        finally:
            maker.close()
            points.close()

    provider = Provider(settings.oidc, settings.link_key) if settings.oidc else None
    # the documentation pages of FastAPI load scripts from elsewhere
    app = FastAPI(
        title="CareCircle console", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
        dependencies=[Depends(make_gate(engine, settings, now_ms))],
    )  # fmt: skip
    app.state.feed = feed
    app.state.login = settings.login
    app.state.announce = announcer(engine, settings, now_ms)
    api, about_api = api_routes(engine, settings, points, index, keeper, maker, now_ms)
    routers = [
        login_routes(engine, settings, renderer, provider),
        account_routes(engine, settings, renderer),
        *incident_routes(engine, settings, renderer, feed, points),
        guide_routes(renderer),
        link_routes(engine, settings, renderer),
        people_routes(engine, settings, renderer, points),
        threshold_routes(engine, renderer),
        device_routes(engine, settings, renderer, points, index),
        coverage_routes(engine, settings, renderer, keeper),
        *(routes_of(engine, settings, renderer, keeper) for routes_of in (duty_routes, change_routes, own_routes)),
        quarantine_routes(engine, settings, renderer, index),
        report_routes(engine, settings, renderer, index, maker),
        reply_routes(engine, settings, renderer),
        about_api,
        fhir_routes(engine, settings, points, now_ms),
        metric_routes(engine, settings, points, feed, now_ms),
        *administration_routes(engine, settings, renderer),
    ]
    for router in routers:
        app.include_router(router)
    app.include_router(api, prefix=PREFIX)
    every = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    app.state.served = {route.path: route.endpoint for route in every if "GET" in (route.methods or ())}
    app.mount("/static", _Static(directory=STATIC), name="static")

    async def failed(request: Request, error: Exception) -> Response:
        if (answer := for_programs(request.url.path, error)) is not None:
            return protect(answer)
        if isinstance(error, Refused):
            return renderer.error(request, error.status_code, fault=error.fault, headers=error.headers)
        if isinstance(error, HTTPException):
            if error.status_code == 303:
                return RedirectResponse((error.headers or {})["location"], 303)
            known = error.status_code if error.status_code in (400, 403, 404, 405, 413, 503) else 400
            return renderer.error(request, known)
        if isinstance(error, RequestValidationError):
            return renderer.error(request, 400)
        if isinstance(error, SealedError):
            _log.error("a page cannot be shown: %s", error)
            return renderer.error(request, 503, fault="sealed")
        if isinstance(error, DBAPIError):
            _log.warning("the database does not serve a page: %r", error)
            return renderer.error(request, 503)
        return protect(renderer.error(request, 500))

    def refuse(request: Request, status: int) -> Response:
        return refused(request.url.path, status) or renderer.error(request, status)

    for kind in (HTTPException, RequestValidationError, DBAPIError, Problem, Exception):
        app.add_exception_handler(kind, failed)
    app.add_middleware(_Compressed)
    app.add_middleware(
        Guard, public_host=settings.public_host, login=settings.login, host_names=settings.host_names,
        refuse=refuse,
    )  # fmt: skip
    return app


class _Static(StaticFiles):
    """Files whose address changes with their content, so that they may be kept for good."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = _STATIC_CACHE
        return response


class _Compressed:
    """Compresses pages and drawings; the stream of events must not wait for a compressor."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=1024, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = scope["type"] == "http" and scope["path"] == "/events"
        await (self._plain if streaming else self._compressed)(scope, receive, send)
