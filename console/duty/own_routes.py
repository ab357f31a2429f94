"""What a responder says of themselves: where they are, whether they can come, and the address for their calendar."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, Engine, select

from console.access.audit import Event, record
from console.access.gate import CurrentViewer
from console.access.models import user
from console.access.rules import OPEN, OWN, allow
from console.access.viewer import Viewer
from console.duty.knowing import BookKeeper
from console.duty.routes import calendar_file
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.database import writing
from registry.feeds import FEED_PATH, end_feed, feed_of, make_feed
from registry.presence import PresenceError, tell_presence

_Text = Annotated[str, Form(max_length=32)]


def own_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, keeper: BookKeeper) -> APIRouter:
    """``/on-call/presence``, ``/on-call/feed`` and ``/feeds/<secret>.ics``."""
    router = APIRouter()

    def responder_of(viewer: Viewer) -> str:
        """Raises HTTPException for who is no responder."""
        if viewer.responder not in keeper.book().responders:
            raise HTTPException(403)
        return viewer.responder

    @router.post("/on-call/presence")
    @allow(OWN)
    def presence(viewer: CurrentViewer, can: _Text = "yes", lat: _Text = "", lon: _Text = "") -> Response:
        responder = responder_of(viewer)
        place: tuple[float | None, float | None] = (None, None)
        if can != "no" and (lat.strip() or lon.strip()):
            place = (_degrees(lat), _degrees(lon))
            if None in place:
                return _back("bad_place")
        try:
            tell_presence(engine, responder, renderer.now_ms(), lat=place[0], lon=place[1], available=can != "no")
        except PresenceError:
            return _back("bad_place")
        return _back("away" if can == "no" else "here" if place[0] is None else "placed")

    @router.post("/on-call/feed")
    @allow(OWN)
    def new_feed(request: Request, viewer: CurrentViewer) -> Response:
        responder = responder_of(viewer)
        now_ms = renderer.now_ms()
        with writing(engine) as connection:
            secret = make_feed(connection, responder, who=viewer.who, now_ms=now_ms)
            record(
                connection, Event.FEED, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="responder",
                subject=responder, data={"change": "made"},
            )  # fmt: skip
        base = settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        address = f"{base}{FEED_PATH}{secret}.ics"
        return renderer.page(
            request, "on_call_feed.html", address=address, calendar="webcal:" + address.partition(":")[2]
        )

    @router.post("/on-call/feed/end")
    @allow(OWN)
    def no_feed(viewer: CurrentViewer) -> Response:
        responder = responder_of(viewer)
        now_ms = renderer.now_ms()
        with writing(engine) as connection:
            if end_feed(connection, responder):
                record(
                    connection, Event.FEED, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="responder",
                    subject=responder, data={"change": "ended"},
                )  # fmt: skip
        return _back("feed_ended", "feed")

    @router.get("/feeds/{secret}.ics")
    @allow(OPEN)
    def feed(secret: str) -> Response:
        with engine.connect() as connection:
            responder = feed_of(connection, secret)
            if responder is not None and not _has_user(connection, responder):
                responder = None
        book = keeper.book()
        if responder is None or responder not in book.responders:
            raise HTTPException(404)
        return calendar_file(book, responder, renderer.now_ms())

    return router


def _has_user(connection: Connection, responder: str) -> bool:
    """Whether somebody may log in as the responder: whom an administrator has disabled reads no shifts either."""
    query = select(user.c.id).where(user.c.responder == responder, user.c.disabled.is_(False))
    return connection.execute(query.limit(1)).first() is not None


def _back(said: str, where: str = "presence") -> Response:
    return RedirectResponse(f"/on-call?said={said}#{where}", status_code=303)


def _degrees(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
