"""The routes of policies, and of who would be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from alerts.policy import IMMEDIATE
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, placed
from console.access.viewer import Viewer
from console.administration.desk import SUGGESTED, Desk, area_name
from console.administration.editor import StaleError, of_row
from console.administration.policy_form import (
    ASKS,
    PLAIN,
    RELATION_CHOICES,
    STEP_TICKS,
    TIERS,
    fresh_policy,
    moved,
    plan,
    policy_texts,
    shown_policy,
    step_count,
    step_words,
)
from console.administration.row_pages import own_address
from console.administration.rows import back, typed
from console.administration.saying import mistake, said
from registry import models
from registry.editing import Mistake, read_entry
from registry.entries import Entry, PolicyEntry, key_of

#: For which something that is about people is called.
_USUAL_KIND = "fall"


def policy_routes(desk: Desk) -> APIRouter:
    """``/administration/policies`` and ``/administration/calls``."""
    router = APIRouter()

    @router.get("/administration/policies")
    @allow(listed(Permission.POLICIES_WRITE))
    def policies(request: Request, viewer: CurrentViewer, said: Annotated[str, Query(max_length=16)] = "") -> Response:
        directory = desk.known.now().directory
        texts = desk.renderer.texts(request)
        names = {one.id: one.name for one in directory.responders.values()}
        found = [
            (entry, area_name(desk, entry.area), [step_words(texts, step, names) for step in entry.steps],
             own_address("policies", entry.id))
            for entries in directory.policies.by_area.values()
            for entry in entries
            if viewer.sees(entry.area)
        ]  # fmt: skip
        found.sort(key=lambda one: (one[0].area, one[0].id))
        return desk.page(request, viewer, "policies", "policies.html", found=found, said=said, built_in=IMMEDIATE)

    @router.get("/administration/policies/new")
    @allow(listed(Permission.POLICIES_WRITE))
    def new(request: Request, viewer: CurrentViewer) -> Response:
        return _policy_page(desk, request, viewer, "", fresh_policy(desk.settings.time_zone), None)

    @router.post("/administration/policies/new")
    @allow(listed(Permission.POLICIES_WRITE))
    async def add(request: Request, viewer: CurrentViewer) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_change_policy, desk, request, viewer, "", form)

    @router.get("/administration/policies/{row}")
    @allow(placed(Permission.POLICIES_WRITE, of_policy))
    def look(request: Request, viewer: CurrentViewer, row: str) -> Response:
        entry = _policy(desk, row)
        return _policy_page(desk, request, viewer, row, shown_policy(entry), entry)

    @router.post("/administration/policies/{row}")
    @allow(placed(Permission.POLICIES_WRITE, of_policy))
    async def change(request: Request, viewer: CurrentViewer, row: str) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_change_policy, desk, request, viewer, row, form)

    @router.post("/administration/policies/{row}/remove")
    @allow(placed(Permission.POLICIES_WRITE, of_policy))
    async def remove(request: Request, viewer: CurrentViewer, row: str) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_remove_policy, desk, request, viewer, row, form)

    @router.get("/administration/calls")
    @allow(listed(Permission.POLICIES_WRITE))
    def calls(
        request: Request,
        viewer: CurrentViewer,
        who: Annotated[str, Query(max_length=255)] = "",
        kind: Annotated[str, Query(max_length=64)] = _USUAL_KIND,
    ) -> Response:
        return _calls_page(desk, request, viewer, who.strip(), kind)

    return router


def of_policy(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """The area of the policy ``{row}``."""
    return connection.execute(select(models.policy.c.area).where(models.policy.c.id == str(path["row"]))).scalar()


def _policy(desk: Desk, row: str) -> PolicyEntry:
    entry = desk.load("policies", row)
    if not isinstance(entry, PolicyEntry):
        raise HTTPException(404)
    return entry


def _change_policy(desk: Desk, request: Request, viewer: Viewer, row: str, form: dict[str, str]) -> Response:
    was = _policy(desk, row) if row else None
    step = form.get("step", "")
    if step not in ("check", "save"):
        return _policy_page(desk, request, viewer, row, moved(form, step), was)
    if was is not None and form.get("seen") != desk.editor.seen(was):
        return _policy_page(desk, request, viewer, row, shown_policy(was), was, said_id="stale", status=409)
    entry, mistakes = read_entry("policies", policy_texts(form, was))
    edit = desk.editor.check(viewer, [("policies", entry)], ()) if entry is not None else None
    if edit is not None and isinstance(entry, PolicyEntry):
        mistakes = list(edit.mistakes)
        if was is None and not mistakes and entry_taken(edit.before["policies"], entry):
            mistakes = [Mistake("policies", entry.id, "id", "")]
    if mistakes or edit is None or not isinstance(entry, PolicyEntry):
        return _policy_page(desk, request, viewer, row, form, was, mistakes=mistakes, status=422)
    if step == "save" and form.get("looked") == desk.editor.looked(form):
        key = ("policies", entry.id)
        try:
            edit = desk.editor.save(
                viewer, [("policies", entry)], (), desk.now_ms(), was=key if was is not None else None,
                seen=form.get("seen", ""), new=key if was is None else None,
            )  # fmt: skip
        except StaleError:
            return back("policies", "stale")
        return back("policies", "stale" if edit.mistakes else "saved" if edit.changes else "same")
    lines = said(desk.renderer.texts(request), edit.changes)
    return _policy_page(desk, request, viewer, row, form, was, lines=lines, entry=entry)


def entry_taken(entries: Mapping[Any, Entry], entry: Entry) -> bool:
    """Whether there is a row of this key."""
    return key_of(entry) in entries


def _remove_policy(desk: Desk, request: Request, viewer: Viewer, row: str, form: dict[str, str]) -> Response:
    was = _policy(desk, row)
    seen = desk.editor.seen(was)
    if form.get("step") == "save" and form.get("seen") == seen:
        try:
            desk.editor.save(viewer, (), [("policies", row)], desk.now_ms(), was=("policies", row), seen=seen)
        except StaleError:
            return back("policies", "stale")
        return back("policies", "removed")
    edit = desk.editor.check(viewer, (), [("policies", row)])
    return desk.page(
        request, viewer, "policies", "remove.html", table="policies", name=was.id, own=own_address("policies", row),
        seen=seen, lines=said(desk.renderer.texts(request), edit.changes), named=[],
    )  # fmt: skip


def _policy_page(
    desk: Desk,
    request: Request,
    viewer: Viewer,
    row: str,
    form: Mapping[str, str],
    was: PolicyEntry | None,
    *,
    mistakes: list[Mistake] | None = None,
    lines: list[Any] | None = None,
    entry: PolicyEntry | None = None,
    said_id: str = "",
    status: int = 200,
) -> Response:
    texts = desk.renderer.texts(request)
    values = {**form, "seen": desk.editor.seen(was)}
    by_field, others = of_row(mistakes or [], ("id", "area", "kinds", *PLAIN))
    directory = desk.known.now().directory
    called: list[Any] = []
    passed: list[str] = []
    if entry is not None:
        with desk.engine.connect() as connection:
            called, passed = plan(connection, directory, entry.area, None, desk.now_ms(), entry)
    return desk.page(
        request, viewer, "policies", "policy.html", status=status, own=own_address("policies", row), row=row,
        values=values, steps=range(step_count(values)), ticks=STEP_TICKS, said=said_id, lines=lines,
        errors={name: mistake(texts, text) if text else texts("mistake.taken") for name, text in by_field.items()},
        others=[mistake(texts, one.message) for one in others], looked=desk.editor.looked(values),
        asks=[(one, texts.of("ask", one)) for one in ASKS],
        tiers=[(one, texts.of("tier", one or "all")) for one in TIERS],
        relations=[(one, texts.of("kin", one or "unset")) for one in RELATION_CHOICES],
        counts=[(one, texts.of("counts", one or "usual")) for one in ("", "yes", "no")],
        areas=[(path, one.name) for path, one in directory.areas.items() if viewer.sees(path)][:SUGGESTED],
        called=called, passed=passed, entry=was,
    )  # fmt: skip


def _calls_page(desk: Desk, request: Request, viewer: Viewer, who: str, kind: str) -> Response:
    directory = desk.known.now().directory
    person = directory.people.get(who)
    area = person.area if person is not None else who
    found = bool(who) and area in directory.areas and viewer.sees(area)
    called: list[Any] = []
    passed: list[str] = []
    entry: PolicyEntry | None = None
    if found:
        entry = directory.policies.of(area, kind)
        with desk.engine.connect() as connection:
            key = person.key if person is not None else None
            called, passed = plan(connection, directory, area, key, desk.now_ms(), entry)
    texts = desk.renderer.texts(request)
    kinds = [(one, texts.of("kind", one)) for one in ("fall", "sos", "news2", "not_back", "test")]
    areas = [(path, one.name) for path, one in directory.areas.items() if viewer.sees(path)][:SUGGESTED]
    name = (person.name if person is not None else area_name(desk, area)) if found else ""
    return desk.page(
        request, viewer, "policies", "calls.html", who=who, kind=kind, kinds=kinds, found=found, name=name,
        called=called, passed=passed, policy=entry, areas=areas,
        own=own_address("policies", entry.id) if entry is not None and viewer.sees(entry.area) else "",
    )  # fmt: skip
