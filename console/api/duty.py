"""Who is on call, whom nobody reaches, and where responders say that they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Engine

from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, of_responder, placed
from console.access.viewer import Viewer
from console.api.models import (
    AreaCoverage,
    AreaDuty,
    Coverage,
    Gap,
    OnCallNow,
    OnDuty,
    Presence,
    TellPresence,
)
from console.api.problems import Problem
from console.api.tagging import Tagged
from console.coverage.watching import Watch
from console.duty.knowing import BookKeeper
from registry.presence import PresenceError, presences, tell_presence
from registry.reach import Presence as Reported
from registry.rosters import on_call

Area = Annotated[str, Query(max_length=255, description="this one and all below")]


def duty_routes(engine: Engine, keeper: BookKeeper, watch: Watch, now_ms: Callable[[], int]) -> APIRouter:
    """``/coverage``, ``/on-call`` and ``/responders``."""
    router = APIRouter(tags=["on call"], route_class=Tagged)

    @router.get("/coverage")
    @allow(listed(Permission.COVERAGE_READ))
    def get_coverage(viewer: CurrentViewer, area: Area = "") -> Coverage:
        """Each area of the user: people, whom nobody reaches, who is on call, and when nobody will be."""
        state = watch.state(now_ms())
        areas = [
            AreaCoverage(
                area=one.path, name=state.book.area_name(one.path), people=one.people, placed=one.placed,
                uncovered=one.uncovered, on_call=len(one.on),
                gaps=[
                    Gap(begin_ms=gap.begin_ms, end_ms=gap.end_ms, held_by=_seen(viewer, gap.held_by))
                    for gap in (one.gaps if one.holder in ("", one.path) else ())
                ],
            )
            for one in sorted(state.areas.values(), key=lambda one: one.path)
            if viewer.sees(one.path) and _within(one.path, area)
        ]  # fmt: skip
        return Coverage(at_ms=state.at_ms, areas=areas)

    @router.get("/on-call")
    @allow(listed(Permission.ROSTERS_READ))
    def get_on_call(viewer: CurrentViewer, area: Area = "") -> OnCallNow:
        """Who is on call now, by area."""
        at_ms, book = now_ms(), keeper.book()
        areas = [
            AreaDuty(
                area=path, name=book.area_name(path),
                on_call=[
                    OnDuty(
                        responder=one.responder, name=book.name(one.responder), layer=one.layer, roster=one.roster,
                        until_ms=one.until_ms,
                    )
                    for one in on_call(book.rosters, path, at_ms)
                ],
            )
            for path in sorted(book.areas)
            if viewer.sees(path) and _within(path, area)
        ]  # fmt: skip
        return OnCallNow(at_ms=at_ms, areas=areas)

    @router.get("/responders/{responder_id}/presence")
    @allow(placed(Permission.INCIDENTS_ACT, of_responder))
    def get_presence(viewer: CurrentViewer, responder_id: str) -> Presence:
        """The newest report of oneself; of others for who may act for them."""
        _must_be_theirs(viewer, responder_id)
        with engine.connect() as connection:
            found = presences(connection, [responder_id]).get(responder_id)
        if found is None:
            raise Problem("not-found", "This responder has reported nothing yet.")
        return _presence(responder_id, found)

    @router.put("/responders/{responder_id}/presence")
    @allow(placed(Permission.INCIDENTS_ACT, of_responder))
    def put_presence(viewer: CurrentViewer, responder_id: str, body: TellPresence) -> Presence:
        """Say where one is, or that one cannot come; the newest report counts, also when this one is older."""
        _must_be_theirs(viewer, responder_id)
        try:
            told = tell_presence(
                engine, responder_id, now_ms(), at_ms=body.at_ms, lat=body.lat, lon=body.lon, available=body.available
            )
        except PresenceError as error:
            raise Problem("invalid", error.reason) from error
        return _presence(responder_id, told)

    return router


def _seen(viewer: Viewer, area: str) -> str:
    return area if viewer.sees(area) else ""


def _within(path: str, area: str) -> bool:
    return not area or path == area or path.startswith(f"{area}.")


def _must_be_theirs(viewer: Viewer, responder: str) -> None:
    if viewer.responder != responder and not viewer.may(Permission.INCIDENTS_ACT_FOR):
        raise Problem("not-allowed", "This is somebody else: ask for the right to act for others.")


def _presence(responder: str, found: Reported) -> Presence:
    return Presence(responder=responder, at_ms=found.at_ms, lat=found.lat, lon=found.lon, available=found.available)
