"""The guides of responders and coordinators."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from console.access.rules import OWN, allow
from console.render import Renderer


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a guide: its texts are ``guide.<id>`` and ``guide.<id>.1`` to ``.<steps>``; ``picture`` is a page and
    a size, "" for none."""

    id: str
    steps: int
    picture: str = ""
    narrow: bool = True

    @property
    def texts(self) -> list[str]:
        """The ids of its steps, below ``guide``."""
        return [f"{self.id}.{number}" for number in range(1, self.steps + 1)]


#: By the name in the address.
GUIDES: dict[str, tuple[Section, ...]] = {
    "responder": (
        Section("called", 4, "link-{}-phone"),
        Section("way", 4, "incident-taken-{}-phone"),
        Section("door", 4),
        Section("cannot", 4),
        Section("shifts", 3, "on-call-{}-phone"),
        Section("wrong", 3),
    ),
    "coordinator": (
        Section("board", 5, "board-{}-desktop", narrow=False),
        Section("help", 4),
        Section("plan", 4, "coverage-{}-desktop", narrow=False),
        Section("after", 3),
    ),
}


def guide_routes(renderer: Renderer) -> APIRouter:
    """``/guides/responder`` and ``/guides/coordinator``."""
    router = APIRouter()

    @router.get("/guides/{name}")
    @allow(OWN)
    def guide(request: Request, name: str) -> Response:
        if name not in GUIDES:
            raise HTTPException(404)
        other = next(one for one in GUIDES if one != name)
        return renderer.page(request, "guide.html", name=name, sections=GUIDES[name], other=other)

    return router
