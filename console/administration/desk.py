"""What every page of administration works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Engine

from console.access.gate import is_allowed
from console.access.rules import Permission, Rule, listed, whole
from console.access.viewer import Viewer
from console.administration.editor import Editor
from console.administration.known import Known
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.entries import Entry, EntryKey

#: A field that names an area or a responder offers so many.
SUGGESTED = 400
#: The pages of administration: who may open them.
TABS: tuple[tuple[str, Rule], ...] = (
    ("people", listed(Permission.REGISTRY_READ)),
    ("responders", listed(Permission.REGISTRY_READ)),
    ("contacts", listed(Permission.REGISTRY_READ)),
    ("devices", listed(Permission.REGISTRY_READ)),
    ("policies", listed(Permission.POLICIES_WRITE)),
    ("silences", listed(Permission.POLICIES_WRITE)),
    ("import", listed(Permission.REGISTRY_WRITE)),
    ("users", whole(Permission.USERS_WRITE)),
    ("audit", listed(Permission.AUDIT_READ)),
)


@dataclass(frozen=True)
class Desk:
    """The database, the registry in memory, and how pages are made."""

    engine: Engine
    settings: ConsoleSettings
    renderer: Renderer
    known: Known
    editor: Editor

    def now_ms(self) -> int:
        """Now."""
        return self.renderer.now_ms()

    def load(self, table: str, key: EntryKey) -> Entry | None:
        """A row with its secrets. Raises SealedError."""
        return self.editor.load(table, key)

    def page(
        self, request: Request, viewer: Viewer, tab: str, template: str, *, status: int = 200, **values: Any
    ) -> Response:
        """A page below the tabs of administration that the viewer may open."""
        texts = self.renderer.texts(request)
        tabs = [
            (texts.of("tab", name), f"/administration/{name}", name == tab)
            for name, rule in TABS
            if is_allowed(rule, viewer)
        ]
        overview = (texts("tab.overview"), "/administration", tab == "overview")
        return self.renderer.page(
            request, f"administration/{template}", status=status, viewer=viewer, tabs=[overview, *tabs], **values
        )


def desk_of(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> Desk:
    """What the pages share."""
    return Desk(engine, settings, renderer, Known(engine), Editor(engine, settings.link_key))


def area_name(desk: Desk, path: str) -> str:
    """What an area is called; its path where it is not known."""
    entry = desk.known.now().directory.areas.get(path)
    return entry.name if entry else path
