"""``/fhir``: reading and searching Patient, Device and Observation, as far as the user's areas reach."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine, Row, func, select

from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import OPEN, Permission, allow, listed, of_device, of_person, placed
from console.access.viewer import Viewer
from console.api.paging import pack, unpack
from console.api.problems import Problem
from console.fhir.codes import CODED, of_search
from console.fhir.dates import span_of
from console.fhir.ids import ObservationId, to_id, to_key
from console.fhir.ids import observation_id as parse_id
from console.fhir.observations import Measured, Place, read_one, read_page
from console.fhir.outcomes import MEDIA_TYPE, PREFIX, refuse
from console.fhir.resources import bundle, capabilities, device, observation, patient
from console.points import Points
from console.settings import ConsoleSettings
from registry import SealedError, models
from registry.database import writing
from registry.sealing import phone_of
from store import Store, StoreError

_DAY_MS = 86_400_000
_MOST = 1000
#: A clock that runs ahead by less is believed.
_AHEAD_MS = 3_600_000

Count = Annotated[int, Query(alias="_count", ge=1, le=_MOST)]
Id = Annotated[str, Query(alias="_id", max_length=200)]
Cursor = Annotated[str, Query(alias="_cursor", max_length=400)]


def of_patient(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the Patient ``{patient_id}`` lives."""
    key = to_key(connection, models.person.c.key, str(path["patient_id"]))
    return None if key is None else of_person(connection, {"person_key": key})


def of_fhir_device(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the Device ``{fhir_device_id}`` is."""
    key = to_key(connection, models.device.c.id, str(path["fhir_device_id"]))
    return None if key is None else of_device(connection, {"device_id": key})


def of_observation(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the subject of the Observation ``{observation_id}`` lives."""
    wanted = parse_id(str(path["observation_id"]))
    return None if wanted is None else of_patient(connection, {"patient_id": wanted.person})


def fhir_routes(engine: Engine, settings: ConsoleSettings, points: Points, now_ms: Callable[[], int]) -> APIRouter:
    """Everything below ``/fhir``."""
    router = APIRouter(prefix=PREFIX)

    def base(request: Request) -> str:
        return (settings.public_url or str(request.base_url)).rstrip("/") + PREFIX

    def looked(viewer: Viewer, kind: str, subject: str, area: str = "") -> None:
        with writing(engine) as connection:
            record_view(connection, viewer, f"fhir.{kind}", subject, now_ms(), area=area)

    def store() -> Store:
        found = points.store()
        if found is None:
            raise Problem("unavailable", "There is no store of time series yet: set store.url, or start the writer.")
        return found

    def page(request: Request, found: list[dict[str, Any]], cursor: str, total: int | None = None) -> Response:
        here = base(request) + request.url.path.removeprefix(PREFIX)
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "_cursor"]
        own = here + (f"?{request.url.query}" if request.url.query else "")
        following = f"{here}?{urlencode([*asked, ('_cursor', cursor)])}" if cursor else ""
        return _json(bundle(base(request), found, own, following, total))

    @router.get("/metadata")
    @allow(OPEN)
    def metadata(request: Request) -> Response:
        return _json(capabilities(base(request), now_ms()))

    def read_patients(connection: Connection, viewer: Viewer, rows: list[Row[Any]]) -> list[dict[str, Any]]:
        if not viewer.may(Permission.FHIR_NAMES):
            return [patient(row.key) for row in rows]
        return [patient(row.key, {**row._mapping, "phone": _phone(connection, row)}) for row in rows]

    @router.get("/Patient")
    @allow(listed(Permission.FHIR_READ))
    def patients(
        request: Request, viewer: CurrentViewer, wanted: Id = "", count: Count = 50, cursor: Cursor = ""
    ) -> Response:
        place = unpack(cursor, str)
        c = models.person.c
        query = _people().where(viewer.area_filter(c.area)).order_by(c.key)
        with engine.connect() as connection:
            if wanted:
                query = query.where(c.key.in_(_keys(connection, c.key, wanted)))
            total = connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
            if place is not None:
                query = query.where(c.key > place[0])
            rows = list(connection.execute(query.limit(count + 1)).all())
            found = read_patients(connection, viewer, rows[:count])
        if found:
            looked(viewer, "patient", "")
        return page(request, found, pack(rows[count - 1].key) if len(rows) > count else "", total)

    @router.get("/Patient/{patient_id}")
    @allow(placed(Permission.FHIR_READ, of_patient))
    def one_patient(viewer: CurrentViewer, patient_id: str) -> Response:
        with engine.connect() as connection:
            key = to_key(connection, models.person.c.key, patient_id)
            rows = list(connection.execute(_people().where(models.person.c.key == key)).all())
            if not rows:
                raise Problem("not-found")
            (found,) = read_patients(connection, viewer, rows)
        looked(viewer, "patient", rows[0].key, rows[0].area)
        return _json(found)

    @router.get("/Device")
    @allow(listed(Permission.FHIR_READ))
    def devices(
        request: Request,
        viewer: CurrentViewer,
        wanted: Id = "",
        whose: Annotated[str, Query(alias="patient", max_length=200)] = "",
        count: Count = 50,
        cursor: Cursor = "",
    ) -> Response:
        place = unpack(cursor, str)
        c = models.device.c
        area = func.coalesce(c.area, models.person.c.area)
        query = _devices().where(viewer.area_filter(area)).order_by(c.id)
        with engine.connect() as connection:
            if wanted:
                query = query.where(c.id.in_(_keys(connection, c.id, wanted)))
            if whose:
                query = query.where(c.person.in_(_keys(connection, models.person.c.key, _reference(whose))))
            total = connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
            if place is not None:
                query = query.where(c.id > place[0])
            rows = connection.execute(query.limit(count + 1)).all()
        found = [device(_seen(row, viewer)) for row in rows[:count]]
        return page(request, found, pack(rows[count - 1].id) if len(rows) > count else "", total)

    @router.get("/Device/{fhir_device_id}")
    @allow(placed(Permission.FHIR_READ, of_fhir_device))
    def one_device(viewer: CurrentViewer, fhir_device_id: str) -> Response:
        with engine.connect() as connection:
            key = to_key(connection, models.device.c.id, fhir_device_id)
            row = connection.execute(_devices().where(models.device.c.id == key)).first()
        if row is None:
            raise Problem("not-found")
        return _json(device(_seen(row, viewer)))

    @router.get("/Observation")
    @allow(listed(Permission.FHIR_READ))
    def observations(
        request: Request,
        viewer: CurrentViewer,
        wanted: Id = "",
        whose: Annotated[str, Query(alias="patient", max_length=200)] = "",
        code: Annotated[str, Query(max_length=1000)] = "",
        date: Annotated[list[str] | None, Query(max_length=8)] = None,
        count: Count = 100,
        cursor: Cursor = "",
    ) -> Response:
        """By date, the oldest first; of the last day unless a date is given."""
        if wanted:
            return page(request, _by_ids(viewer, wanted), "")
        if not whose:
            raise refuse("Observation is searched for one patient: give patient=Patient/<id>, or _id.")
        start_ms, end_ms = span_of(date or (), settings.zone)
        end_ms = min(end_ms if end_ms is not None else now_ms() + _AHEAD_MS, now_ms() + _AHEAD_MS)
        start_ms = max(0, end_ms - _DAY_MS - _AHEAD_MS if start_ms is None else start_ms)
        place = unpack(cursor, int, int)
        start = Place(start_ms) if place is None else Place(max(start_ms, int(place[0])), int(place[1]))
        key = _theirs(viewer, _reference(whose))
        if key is None:  # what lies elsewhere is not there
            return page(request, [], "")
        looked(viewer, "observation", key)
        try:
            read = read_page(store(), key, to_id(key), of_search(code), start, end_ms, count)
        except StoreError as error:
            raise Problem("unavailable", "The store of time series does not answer. Ask again later.") from error
        return page(request, list(map(observation, read.found)), pack(*read.following) if read.following else "")

    @router.get("/Observation/{observation_id}")
    @allow(placed(Permission.FHIR_READ, of_observation))
    def one_observation(viewer: CurrentViewer, observation_id: str) -> Response:
        found = _by_ids(viewer, observation_id)
        if not found:
            raise Problem("not-found")
        return _json(found[0])

    def _by_ids(viewer: Viewer, wanted: str) -> list[dict[str, Any]]:
        found = []
        for text in wanted.split(",")[:20]:
            one = parse_id(text.strip())
            key = None if one is None else _theirs(viewer, one.person)
            if one is None or key is None:
                continue
            looked(viewer, "observation", key)
            measured = _measured(key, one)
            if measured is not None:
                found.append(observation(measured))
        return found

    def _measured(key: str, one: ObservationId) -> Measured | None:
        try:
            return read_one(store(), key, one, CODED[one.name])
        except StoreError as error:
            raise Problem("unavailable", "The store of time series does not answer. Ask again later.") from error

    def _theirs(viewer: Viewer, resource_id: str) -> str | None:
        """The key of a person of the viewer's areas; None for everybody else."""
        with engine.connect() as connection:
            key = to_key(connection, models.person.c.key, resource_id)
            area = None if key is None else of_person(connection, {"person_key": key})
        return key if area is not None and viewer.sees(area) else None

    return router


def _people() -> Any:
    c = models.person.c
    return select(c.key, c.name, c.area, c.address, c.language, c.phone)


def _devices() -> Any:
    c = models.device.c
    columns = (c.id, c.kind, c.placement, c.model, c.person, models.person.c.area.label("home"))
    return select(*columns).outerjoin(models.person, models.person.c.key == c.person)


def _seen(row: Row[Any], viewer: Viewer) -> dict[str, Any]:
    """A device without its person where that lives elsewhere."""
    person = row.person if row.person and viewer.sees(row.home) else None
    return {**row._mapping, "person": person}


def _phone(connection: Connection, row: Row[Any]) -> str:
    try:
        return phone_of(connection, row.key, row.phone)
    except SealedError:
        return ""  # the doctor names the key that is missing


def _keys(connection: Connection, column: Any, ids: str) -> list[str]:
    found = (to_key(connection, column, one.strip()) for one in ids.split(",")[:20])
    return [key for key in found if key is not None]


def _reference(text: str) -> str:
    """The id in a reference: ``Patient/p-1`` or ``p-1``."""
    return text.rpartition("/")[2]


def _json(resource: dict[str, Any]) -> Response:
    return Response(json.dumps(resource, ensure_ascii=False), media_type=MEDIA_TYPE)
