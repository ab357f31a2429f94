"""The page of coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.area_filter import area_choice
from console.coverage.tree import NAMED, Node, alone_people, gap_week, map_of, names_of, tops
from console.coverage.watching import Watch
from console.duty.knowing import BookKeeper
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.rosters.hours import local_time

#: So many areas have their week of hours on the page; the others by choosing them.
_CALENDARS = 6
_GAPS = 30


def coverage_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, keeper: BookKeeper) -> APIRouter:
    """``/coverage``."""
    router = APIRouter()
    watch = Watch(engine, keeper)

    @router.get("/coverage")
    @allow(listed(Permission.COVERAGE_READ))
    def coverage(request: Request, viewer: CurrentViewer, area: Annotated[str, Query(max_length=255)] = "") -> Response:
        now_ms = renderer.now_ms()
        state = watch.state(now_ms)
        choice = area_choice(names_of(state, viewer.sees), area)
        nodes = tops(state, viewer.sees, choice.path)
        every = [one for node in nodes for one in node.each()]
        with_gaps = [one for one in every if one.own_gaps]
        holders = _calendars(every, with_gaps, choice.path)
        on_duty = {name for name, one in state.standing.items() if {area.path for area in every} & set(one.areas)}
        may_see = viewer.may(Permission.PEOPLE_READ)
        return renderer.page(
            request, "coverage.html", now_ms=now_ms, state=state, book=state.book, nodes=nodes, choice=choice,
            people=sum(node.people for node in nodes), placed=sum(node.placed for node in nodes),
            uncovered=sum(node.uncovered for node in nodes), on_duty=len(on_duty), with_gaps=with_gaps,
            gap_rows=[(one, gap) for one in with_gaps for gap in one.own_gaps][:_GAPS],
            gap_total=sum(len(one.own_gaps) for one in with_gaps),
            alone=alone_people(state, nodes) if may_see else [], named=NAMED, map=map_of(state, nodes),
            weeks=[(one, gap_week(one.own_gaps, now_ms, settings.zone)) for one in holders],
            sees=viewer.sees, may_plan=viewer.may(Permission.ROSTERS_READ),
            day_of=lambda at_ms: local_time(at_ms, settings.zone).date().isoformat(),
            hm=lambda at_ms: local_time(at_ms, settings.zone).strftime("%m-%d %H:%M"),
        )  # fmt: skip

    return router


def _calendars(every: Sequence[Node], with_gaps: Sequence[Node], chosen: str) -> list[Node]:
    """The areas whose hours are shown: the chosen one, and those with gaps, those that nobody stands in for first."""
    first = [one for one in every if one.path == chosen and one.has_order and not one.own_gaps]
    return [*first, *sorted(with_gaps, key=lambda one: -one.lost_h)][:_CALENDARS]
