"""The routes of the quarantine: the list, one entry and its bytes, and putting entries back with a look before."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from console.access.audit import Event, record, record_view
from console.access.gate import CurrentViewer
from console.access.rules import EVERYWHERE, Permission, allow, listed, of_device, placed
from console.access.viewer import Viewer
from console.devices.index import DeviceIndex
from console.people.showing import bidi
from console.quarantine.browsing import (
    MOST_REPLAYED,
    Planned,
    as_text,
    browse,
    counts,
    find_entry,
    obstacle,
    plan,
)
from console.render import Renderer
from console.settings import ConsoleSettings
from console.texts import Texts
from journal.entry import Entry
from journal.errors import JournalError, JournalFull, JournalLocked
from journal.explain import explain, hexdump
from journal.quarantine import Filter, load_replayed, stages
from journal.replay import Replayed, replay
from registry.database import writing
from telemetry.errors import Reason

_LONGEST_FIELD = 200
_FEW_BYTES = 2048
_SINCE_H = (1, 24, 168)
_KEPT = ("stage", "reason", "device", "since")

Short = Annotated[str, Query(max_length=64)]
Ids = Annotated[Sequence[str], Form(alias="id", max_length=MOST_REPLAYED)]


def quarantine_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, index: DeviceIndex) -> APIRouter:
    """Everything below ``/quarantine``."""
    router = APIRouter()
    folder = settings.quarantine_dir

    def of_entry(connection: Connection, path: Mapping[str, Any]) -> str | None:
        """Where the device of the entry ``{entry_id}`` is; at the top of the tree for one that nobody knows."""
        entry = find_entry(folder, str(path["entry_id"]))
        if entry is None:
            return None
        return of_device(connection, {"device_id": entry.device or ""}) or EVERYWHERE

    def seen_by(viewer: Viewer) -> Callable[[Entry], bool]:
        devices = index.fleet().by_id

        def sees(entry: Entry) -> bool:
            device = devices.get(entry.device or "")
            return viewer.sees(device.entry.area if device is not None else EVERYWHERE)

        return sees

    @router.get("/quarantine")
    @allow(listed(Permission.QUARANTINE))
    def quarantine(
        request: Request,
        viewer: CurrentViewer,
        stage: Short = "",
        reason: Short = "",
        device: Annotated[str, Query(max_length=_LONGEST_FIELD)] = "",
        since: Short = "",
        page: Short = "1",
    ) -> Response:
        now_ms = renderer.now_ms()
        names = stages(folder) if folder is not None else []
        hours = int(since) if since.isdecimal() and int(since) in _SINCE_H else None
        wanted = Filter(
            stage if stage in names else None, reason or None, device.strip() or None,
            None if hours is None else now_ms - hours * 3_600_000,
        )  # fmt: skip
        number = int(page) if page.isdecimal() else 1
        found = browse(folder, wanted, seen_by(viewer), number) if folder is not None else None
        kept = [(name, value) for name in _KEPT if (value := request.query_params.get(name, ""))]
        return renderer.page(
            request, "quarantine.html", now_ms=now_ms, found=found, wanted=wanted, since=since, obstacle=obstacle,
            counts=counts(folder) if folder is not None and viewer.everywhere else [], machine=platform.node(),
            page_address="?" + urlencode([*kept, ("page", "")]), most=MOST_REPLAYED,
            may_devices=viewer.may(Permission.DEVICES_READ), **_choices(renderer.texts(request), names),
        )  # fmt: skip

    @router.get("/quarantine/{entry_id}")
    @allow(placed(Permission.QUARANTINE, of_entry))
    def entry(request: Request, viewer: CurrentViewer, entry_id: str, size: Short = "") -> Response:
        one = _there(find_entry(folder, entry_id))
        now_ms = renderer.now_ms()
        with writing(engine) as connection:
            record_view(connection, viewer, "quarantine", one.id, now_ms, area=_area(connection, one))
        most = len(one.payload) if size == "all" else _FEW_BYTES
        return renderer.page(
            request, "quarantine_entry.html", now_ms=now_ms, entry=one, now=explain(one), obstacle=obstacle(one),
            hex_lines=hexdump(one.payload, most), text=as_text(one.payload, most), shown=min(most, len(one.payload)),
            known=one.device in index.fleet().by_id, flags=[str(flag.name).lower() for flag in one.flags], whole=bidi,
            may_devices=viewer.may(Permission.DEVICES_READ),
        )  # fmt: skip

    @router.get("/quarantine/{entry_id}/payload.bin")
    @allow(placed(Permission.QUARANTINE, of_entry))
    def payload(entry_id: str) -> Response:
        one = _there(find_entry(folder, entry_id))
        headers = {
            "content-disposition": f'attachment; filename="{one.id}.bin"', "content-security-policy": "sandbox"
        }  # fmt: skip
        return Response(one.payload, media_type="application/octet-stream", headers=headers)

    @router.post("/quarantine/preview")
    @allow(listed(Permission.QUARANTINE))
    def preview(
        request: Request,
        viewer: CurrentViewer,
        ids: Ids = (),
        again: Annotated[str, Form(max_length=1)] = "",
    ) -> Response:
        planned = [] if folder is None else plan(folder, ids, seen_by(viewer), again=bool(again))
        return _planned_page(request, planned, again=bool(again))

    @router.post("/quarantine/replay")
    @allow(listed(Permission.QUARANTINE))
    def put_back(
        request: Request,
        viewer: CurrentViewer,
        ids: Ids = (),
        again: Annotated[str, Form(max_length=1)] = "",
    ) -> Response:
        if folder is None or settings.journal_dir is None:
            raise HTTPException(404)
        now_ms = renderer.now_ms()
        planned = plan(folder, ids, seen_by(viewer), again=bool(again))
        chosen = [one.entry.id for one in planned if not one.obstacle]
        done, trouble = Replayed(), ""
        if chosen:
            # before it happens: what is put back without a row of the audit would be worse than a row too many
            with writing(engine) as connection:
                record(
                    connection, Event.REPLAY, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="quarantine",
                    subject=chosen[0], data={"ids": chosen, "again": bool(again)},
                )  # fmt: skip
            try:
                done = replay(folder, settings.journal_dir / "replayed", chosen, now_ms=now_ms, again=bool(again))
            except JournalLocked:
                trouble = "locked"
            except JournalFull:
                trouble = "full"
                back = load_replayed(folder)
                done = Replayed([entry_id for entry_id in chosen if back.get(entry_id) == now_ms])
            except JournalError:
                trouble = "gone"
        return _planned_page(request, planned, again=bool(again), done=done, trouble=trouble)

    def _planned_page(
        request: Request, planned: list[Planned], *, again: bool, done: Replayed | None = None, trouble: str = ""
    ) -> Response:
        return renderer.page(
            request, "quarantine_replay.html", planned=planned, again=again, done=done, trouble=trouble,
            ready=[one.entry.id for one in planned if not one.obstacle],
            repeated=any(one.obstacle == "again" for one in planned),
        )  # fmt: skip

    def _area(connection: Connection, one: Entry) -> str:
        return of_device(connection, {"device_id": one.device or ""}) or ""

    return router


def _there(entry: Entry | None) -> Entry:
    if entry is None:  # dropped between the gate and here
        raise HTTPException(404)
    return entry


def _choices(texts: Texts, names: list[str]) -> dict[str, Any]:
    return {
        "stage_options": [("", texts("quarantine.any_stage")), *((name, texts.of("stage", name)) for name in names)],
        "reason_options": [
            ("", texts("quarantine.any_reason")), *((one.value, texts.of("refused", one.value)) for one in Reason),
        ],
        "since_options": [
            ("", texts("quarantine.any_time")),
            *((str(h), texts("quarantine.last_h", n=h) if h < 48 else texts("quarantine.last_d", n=h // 24))
              for h in _SINCE_H),
        ],
    }  # fmt: skip
