"""The form in which a clinician sets what is too much for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from console.access.audit import Event, record, record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, of_person, placed
from console.access.viewer import Viewer
from console.people.limits import BadLimit, entered, holding
from console.people.profile import Profile, read_profile
from console.people.showing import form_words
from console.render import Renderer
from registry.database import writing
from registry.errors import ThresholdError
from registry.thresholds import ThresholdChange, Thresholds, set_thresholds

FALL_POINTS = ("", "sensitive", "balanced", "quiet")
_LONGEST_FIELD = 2000


def threshold_routes(engine: Engine, renderer: Renderer) -> APIRouter:
    """``/people/<key>/thresholds``: look, and change."""
    router = APIRouter()

    def profile_of(key: str) -> Profile:
        with engine.connect() as connection:
            profile = read_profile(connection, key, renderer.now_ms())
        if profile is None:
            raise HTTPException(404)
        return profile

    def form_page(
        request: Request, profile: Profile, values: Mapping[str, str], wrong: list[BadLimit], *, said: str, status: int
    ) -> Response:
        return renderer.page(
            request, "person_thresholds.html", status=status, person=profile.entry, own=_address(profile.entry.key),
            values=values, wrong={one.name: one.why for one in wrong}, said=said,
            **form_words(renderer.texts(request), FALL_POINTS),
            limits=holding(profile.entry.conditions, profile.entry.limits), seen=_packed(profile.thresholds),
        )  # fmt: skip

    @router.get("/people/{person_key}/thresholds")
    @allow(placed(Permission.PEOPLE_THRESHOLDS, of_person))
    def look(request: Request, viewer: CurrentViewer, person_key: str) -> Response:
        profile = profile_of(person_key)
        with writing(engine) as connection:
            record_view(connection, viewer, "person", person_key, renderer.now_ms(), area=profile.entry.area)
        return form_page(request, profile, _as_typed(profile.thresholds), [], said="", status=200)

    @router.post("/people/{person_key}/thresholds")
    @allow(placed(Permission.PEOPLE_THRESHOLDS, of_person))
    async def change(request: Request, viewer: CurrentViewer, person_key: str) -> Response:
        form = await request.form()
        values = {name: value[:_LONGEST_FIELD] for name, value in form.items() if isinstance(value, str)}
        return await run_in_threadpool(save, request, viewer, person_key, values)

    def save(request: Request, viewer: Viewer, person_key: str, form: Mapping[str, str]) -> Response:
        profile = profile_of(person_key)
        own, wrong = entered(form, profile.entry.conditions)
        believed = _unpacked(form.get("seen", ""))
        if believed is None or form.get("fall_point") not in FALL_POINTS or form.get("spo2_scale") not in ("1", "2"):
            raise HTTPException(400)
        if wrong:
            return form_page(request, profile, form, wrong, said="wrong", status=422)
        wanted = Thresholds(form["fall_point"], int(form["spo2_scale"]), own)
        now_ms = renderer.now_ms()
        try:
            with writing(engine) as connection:
                changes = set_thresholds(connection, person_key, wanted, seen=believed, who=viewer.who, now_ms=now_ms)
                if changes:
                    _record(connection, viewer, profile, changes, now_ms)
        except ThresholdError as error:
            if not error.changed:
                raise HTTPException(400) from error
            now = profile_of(person_key)
            return form_page(request, now, _as_typed(now.thresholds), [], said="changed", status=409)
        said = "saved" if changes else "same"
        return RedirectResponse(f"{_address(person_key)}?said={said}#thresholds", status_code=303)

    return router


def _address(key: str) -> str:
    return f"/people/{quote(key, safe='')}"


def _record(
    connection: Connection, viewer: Viewer, profile: Profile, changes: list[ThresholdChange], now_ms: int
) -> None:
    record(
        connection, Event.THRESHOLDS, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="person",
        subject=profile.entry.key, area=profile.entry.area,
        data={"changes": {one.name: [one.before, one.after] for one in changes}},
    )  # fmt: skip


def _as_typed(thresholds: Thresholds) -> dict[str, str]:
    limits = {name: f"{value:g}" for name, value in thresholds.limits.items()}
    return {"fall_point": thresholds.fall_point, "spo2_scale": str(thresholds.spo2_scale), **limits}


def _packed(thresholds: Thresholds) -> str:
    """What the form believes to be set, for when it comes back."""
    return json.dumps([thresholds.fall_point, thresholds.spo2_scale, dict(thresholds.limits)], sort_keys=True)


def _unpacked(text: str) -> Thresholds | None:
    try:
        fall_point, scale, limits = msgspec.json.decode(text, type=tuple[str, int, dict[str, float]])
    except (msgspec.DecodeError, ValueError):
        return None
    return Thresholds(fall_point, scale, limits)
