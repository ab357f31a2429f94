"""The routes of import and export."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.access.viewer import Viewer
from console.administration.desk import Desk
from console.administration.imports import BUSY, MOST_BYTES, MOST_FILES, Imports, Job
from console.administration.saying import mistake, said
from console.administration.scope import sees_row
from console.texts import Texts
from console.times import iso_time
from registry import Diff
from registry.checking import Tables
from registry.database import writing
from registry.entries import TYPES, ChannelEntry, Entry, PersonEntry, ResponderEntry
from registry.exporting import write_folder
from registry.rows import load_table

_SHOWN = 200
_NOTICES = 50
_FORMS = ("csv", "yaml")


def import_routes(desk: Desk) -> APIRouter:
    """``/administration/import`` and ``/administration/export``."""
    router = APIRouter()
    imports = Imports(desk.engine)

    @router.get("/administration/import")
    @allow(listed(Permission.REGISTRY_WRITE))
    def look(
        request: Request,
        viewer: CurrentViewer,
        job: Annotated[str, Query(max_length=64)] = "",
        fault: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        found = imports.find(viewer, job) if job else None
        return _page(desk, request, viewer, found, "gone" if job and found is None else fault)

    @router.post("/administration/import")
    @allow(listed(Permission.REGISTRY_WRITE))
    async def upload(request: Request, viewer: CurrentViewer) -> Response:
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > MOST_BYTES + 100_000:
            return _to("?fault=big")
        form = await request.form(max_files=MOST_FILES)
        given = [one for one in form.getlist("files") if isinstance(one, UploadFile) and one.filename]
        if sum(one.size or 0 for one in given) > MOST_BYTES:
            return _to("?fault=big")
        if not given:
            return _to("?fault=none")
        files = {PurePosixPath((one.filename or "").replace("\\", "/")).name: await one.read() for one in given}
        remove = viewer.everywhere and form.get("remove") == "1"
        job = imports.begin(viewer, files, remove=remove)
        return _to(f"?job={job.token}")

    @router.post("/administration/import/confirm")
    @allow(listed(Permission.REGISTRY_WRITE))
    def confirm(viewer: CurrentViewer, job: Annotated[str, Form(max_length=64)] = "") -> Response:
        found = imports.find(viewer, job)
        if found is not None:
            imports.write(viewer, found, desk.now_ms())
        return _to(f"?job={job}")

    @router.post("/administration/import/again")
    @allow(listed(Permission.REGISTRY_WRITE))
    def again(viewer: CurrentViewer, job: Annotated[str, Form(max_length=64)] = "") -> Response:
        found = imports.find(viewer, job)
        if found is not None:
            imports.look_again(viewer, found)
        return _to(f"?job={job}")

    @router.post("/administration/export")
    @allow(listed(Permission.REGISTRY_READ))
    async def export(
        viewer: CurrentViewer,
        form: Annotated[str, Form(max_length=8)] = _FORMS[0],
        secrets: Annotated[str, Form(max_length=2)] = "",
    ) -> Response:
        if form not in _FORMS or (secrets and not may_export_secrets(viewer)):
            raise HTTPException(400)
        return await run_in_threadpool(_export, desk, viewer, form, secrets == "1")

    return router


def may_export_secrets(viewer: Viewer) -> bool:
    """Door codes and what channels need leave the house with an administrator of everything only."""
    return viewer.everywhere and viewer.may(Permission.USERS_WRITE)


def _to(query: str) -> Response:
    return RedirectResponse(f"/administration/import{query}", status_code=303)


def _page(desk: Desk, request: Request, viewer: Viewer, job: Job | None, fault: str) -> Response:
    texts = desk.renderer.texts(request)
    state = job.state if job is not None else ""  # once: it goes on while the page is made
    diff = job.diff if job is not None and state in ("ready", "done") else None
    counts: list[tuple[str, int, int, int, int]] = []
    problems: list[tuple[str, str]] = []
    lines: list[Any] = []
    if diff is not None:
        counts = _counts(diff, viewer)
        lines = said(texts, diff.changes[:_SHOWN])
        problems = _problems(texts, diff, viewer)
    return desk.page(
        request, viewer, "import", "import.html", job=job, state=state, busy=state in BUSY,
        fault=fault, diff=diff, counts=counts, lines=lines,
        problems=problems, shown=_SHOWN, secrets=may_export_secrets(viewer),
        notices=diff.notices[:_NOTICES] if diff is not None and viewer.everywhere else [],
        tables=[*TYPES], forms=_FORMS, everywhere=viewer.everywhere, most_mb=MOST_BYTES // 1_000_000,
    )  # fmt: skip


def _counts(diff: Diff, viewer: Viewer) -> list[tuple[str, int, int, int, int]]:
    """(table, added, changed, removed, kept) of each table that has any; what is kept elsewhere is not theirs."""
    kept = diff.kept if viewer.everywhere else {}
    rows = []
    for table in TYPES:
        added, changed, removed = (diff.count(table, what) for what in ("added", "changed", "removed"))
        rows.append((table, added, changed, removed, kept.get(table, 0)))
    return [row for row in rows if any(row[1:])]


def _problems(texts: Texts, diff: Diff, viewer: Viewer) -> list[tuple[str, str]]:
    """(where, what) of the first problems; rows of others are not named."""
    found = []
    for one in diff.problems[:_SHOWN]:
        if one.file == "registry" and not viewer.everywhere:
            found.append(("", texts("mistake.elsewhere")))
        else:
            where = f"{one.file}:{one.line}" if one.line else one.file
            found.append((where, mistake(texts, one.message)))
    return found


def _export(desk: Desk, viewer: Viewer, form: str, secrets: bool) -> Response:
    now_ms = desk.now_ms()
    with desk.engine.connect() as connection:
        tables: Tables = {name: load_table(connection, name) for name in TYPES}
    kept: dict[str, list[Entry]] = {
        name: [one if secrets else bare(one) for one in entries.values() if sees_row(viewer, one, tables)]
        for name, entries in tables.items()
    }
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="carecircle-export-") as folder:
        written = write_folder(kept, Path(folder), form="csv" if form == "csv" else "yaml")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in written:
                archive.write(path, path.name)
    with writing(desk.engine) as connection:
        area = "*" if viewer.everywhere else ", ".join(viewer.areas)[:255]
        record_view(connection, viewer, "export", "secrets" if secrets else form, now_ms, area=area)
    day = iso_time(now_ms, desk.settings.zone)[:10]
    headers = {"content-disposition": f'attachment; filename="carecircle-{day}.zip"'}
    return Response(packed.getvalue(), media_type="application/zip", headers=headers)


def bare(entry: Entry) -> Entry:
    """A row without its door code, and with no more of its channels than their types."""
    if isinstance(entry, PersonEntry):
        return msgspec.structs.replace(entry, door_code="")
    if isinstance(entry, ResponderEntry):
        return msgspec.structs.replace(entry, channels=tuple(ChannelEntry(type=one.type) for one in entry.channels))
    return entry
