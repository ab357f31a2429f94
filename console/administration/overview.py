"""The first page of administration: how much there is, and what needs attention."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.access.viewer import Viewer
from console.administration.desk import Desk
from console.administration.known import BETWEEN
from registry import Directory
from registry.contacts import NEARBY

_SHOWN = 12
_LIVES_ALONE = "lives_alone"


@dataclass(frozen=True, slots=True)
class Worry:
    """Something that needs attention: its text, all that it concerns (name, address), and how many they are."""

    id: str
    tone: str
    items: tuple[tuple[str, str], ...]
    total: int


def overview_routes(desk: Desk) -> APIRouter:
    """``/administration``."""
    router = APIRouter()

    @router.get("/administration")
    @allow(listed(Permission.REGISTRY_READ))
    def overview(request: Request, viewer: CurrentViewer) -> Response:
        directory = desk.known.now().directory
        return desk.page(
            request, viewer, "overview", "overview.html", counts=counts(directory, viewer),
            worries=worries(directory, viewer, desk.now_ms()),
        )  # fmt: skip

    return router


def counts(directory: Directory, viewer: Viewer) -> dict[str, int]:
    """How many rows of each table lie in the viewer's areas."""
    sees = functools.cache(viewer.sees)
    people = {key for key, one in directory.people.items() if sees(one.area)}
    return {
        "areas": sum(map(sees, directory.areas)),
        "people": len(people),
        "responders": sum(1 for one in directory.responders.values() if sees(one.area)),
        "contacts": sum(len(ones) for key, ones in directory.contacts.items() if key in people),
        "devices": sum(1 for one in directory.devices.values() if sees(one.area or "*")),
        "policies": sum(len(ones) for area, ones in directory.policies.by_area.items() if sees(area)),
    }


def worries(directory: Directory, viewer: Viewer, now_ms: int) -> list[Worry]:
    """What `carecircle registry check` says of the viewer's areas, and where nobody is on call now. Pure."""
    sees = functools.cache(viewer.sees)
    worn = {device.person for device in directory.devices.values()}
    alone: list[tuple[str, str]] = []
    far: list[tuple[str, str]] = []
    without: list[tuple[str, str]] = []
    for key, person in directory.people.items():
        if not sees(person.area):
            continue
        contacts = directory.contacts.get(key, ())
        if _LIVES_ALONE in person.risks and not contacts:
            alone.append((person.name, f"/administration/contacts/new?person={quote(key, safe='')}"))
        if key not in worn:
            without.append((person.name, f"/administration/devices/new?person={quote(key, safe='')}"))
        for one in contacts:
            entry = directory.responders.get(one.responder)
            if entry is not None and one.relation in NEARBY and entry.lat is None:
                address = f"/administration/contacts/{quote(key + BETWEEN + one.responder, safe='')}"
                far.append((f"{entry.name} – {person.name}", address))
    silent = [
        (one.name, f"/administration/responders/{quote(one.id, safe='')}")
        for one in directory.responders.values()
        if sees(one.area) and not one.channels
    ]
    empty = [
        (one.name, f"/coverage?area={quote(path, safe='')}")
        for path, one in directory.areas.items()
        if sees(path) and not directory.on_call_for(path, now_ms)
    ]
    found = [
        _worry("nobody_on_call", "critical", empty),
        _worry("alone", "warning", alone),
        _worry("silent", "warning", silent),
        _worry("without_device", "info", without),
        _worry("far", "info", far),
    ]
    return [one for one in found if one.total]


def _worry(name: str, tone: str, items: list[tuple[str, str]]) -> Worry:
    return Worry(name, tone, tuple(sorted(items)[:_SHOWN]), len(items))
