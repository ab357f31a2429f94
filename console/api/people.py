"""People: who they are, how they are, and their vitals over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from sqlalchemy import Engine, Row, select

from alerts.lifecycle import State
from alerts.models import incident
from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, of_person, placed
from console.access.viewer import Viewer
from console.api.incidents import below
from console.api.models import Health, Person, PersonDetail, PersonList, Score, Series, Sign
from console.api.paging import Cursor, Limit, pack, unpack
from console.api.problems import Problem
from console.api.tagging import Tagged
from console.people.series import as_numbers
from console.people.signs import SIGNS
from console.people.state import read_state
from console.points import Points
from registry import models as people
from registry.database import writing
from store import Store, StoreError

#: Longer spans come from the roll-ups by the hour.
_AS_MEASURED_MS = 8 * 86_400_000
_LONGEST_MS = 400 * 86_400_000
_DAY_MS = 86_400_000
_SCORE_UNITS = {"value": "{score}", "lower": "{score}", "upper": "{score}"}

From = Annotated[int | None, Query(ge=0, le=253_402_300_799_000, description="epoch ms; a day ago unless given")]
To = Annotated[int | None, Query(ge=0, le=253_402_300_799_000, description="epoch ms; now unless given")]
Steps = Annotated[int, Query(ge=1, le=2000, description="more points than that are averaged into so many steps")]


def person_routes(engine: Engine, points: Points, now_ms: Callable[[], int]) -> APIRouter:
    """``/people`` and what is below."""
    router = APIRouter(prefix="/people", tags=["people"], route_class=Tagged)

    def looked(viewer: Viewer, kind: str, key: str, area: str = "") -> None:
        with writing(engine) as connection:
            record_view(connection, viewer, kind, key, now_ms(), area=area)

    @router.get("")
    @allow(listed(Permission.PEOPLE_READ))
    def list_people(
        viewer: CurrentViewer,
        area: Annotated[str, Query(max_length=255, description="this one and all below")] = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> PersonList:
        """People of the user's areas, by key."""
        place = unpack(cursor, str)
        c = people.person.c
        query = _select().where(viewer.area_filter(c.area))
        if area:
            query = query.where(below(c.area, area))
        if place is not None:
            query = query.where(c.key > place[0])
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(c.key).limit(limit + 1)).all()
        shown = rows[:limit]
        if shown:
            looked(viewer, "people", "", area)
        return PersonList(
            people=[Person(**_person(row)) for row in shown], next=pack(shown[-1].key) if len(rows) > limit else ""
        )

    @router.get("/{person_key}")
    @allow(placed(Permission.PEOPLE_READ, of_person))
    def get_person(viewer: CurrentViewer, person_key: str) -> PersonDetail:
        """One person with devices, open incidents, and how they are."""
        device = people.device
        with engine.connect() as connection:
            row = connection.execute(_select().where(people.person.c.key == person_key)).first()
            if row is None:
                raise Problem("not-found")
            devices = connection.execute(select(device.c.id).where(device.c.person == person_key).order_by(device.c.id))
            opened = connection.execute(
                select(incident.c.id)
                .where(incident.c.person == person_key, incident.c.state != State.RESOLVED.value)
                .order_by(incident.c.opened_ms.desc())
            )
            found = PersonDetail(
                **_person(row), devices=list(devices.scalars()), open_incidents=list(opened.scalars()), health=None
            )
        looked(viewer, "person", person_key, row.area)
        store = points.store()
        if store is not None and viewer.may(Permission.PEOPLE_HEALTH):
            found.health = _health(store, person_key, now_ms(), row.spo2_scale)
        return found

    def series(
        viewer: Viewer, key: str, measurement: str, fields: Sequence[str], units: dict[str, str],
        span: tuple[int | None, int | None], steps: int,
    ) -> Series:  # fmt: skip
        end_ms = now_ms() if span[1] is None else span[1]
        start_ms = max(0, end_ms - _DAY_MS) if span[0] is None else span[0]
        if not start_ms < end_ms <= start_ms + _LONGEST_MS:
            raise Problem("invalid", "`from_ms` must lie before `to_ms`, by 400 days at most.")
        store = points.store()
        if store is None:
            raise Problem("unavailable", "There is no store of time series yet: set store.url, or start the writer.")
        looked(viewer, measurement, key)
        bucket = "telem_1h" if end_ms - start_ms > _AS_MEASURED_MS else None
        try:
            read = store.range(
                measurement, fields, tags={"person": key}, start_ms=start_ms, end_ms=end_ms, points=steps, bucket=bucket
            )
        except StoreError as error:
            raise Problem("unavailable", "The store of time series does not answer. Ask again later.") from error
        return Series(
            person=key, from_ms=start_ms, to_ms=end_ms, step_ms=read.step_ms or (3_600_000 if bucket else None),
            units=units, t_ms=read.t_ms.tolist(), values=_columns(read.columns), minimum=_columns(read.minimum),
            maximum=_columns(read.maximum),
        )  # fmt: skip

    @router.get("/{person_key}/vitals")
    @allow(placed(Permission.PEOPLE_HEALTH, of_person))
    def get_vitals(
        viewer: CurrentViewer, person_key: str, from_ms: From = None, to_ms: To = None, steps: Steps = 720
    ) -> Series:
        """The vital signs; over more than eight days by the hour."""
        units = {name: sign.unit for name, sign in SIGNS.items()}
        return series(viewer, person_key, "vitals", list(SIGNS), units, (from_ms, to_ms), steps)

    @router.get("/{person_key}/score")
    @allow(placed(Permission.PEOPLE_HEALTH, of_person))
    def get_score(
        viewer: CurrentViewer, person_key: str, from_ms: From = None, to_ms: To = None, steps: Steps = 720
    ) -> Series:
        """NEWS2 with what it is at least and at most; over more than eight days by the hour."""
        return series(viewer, person_key, "score", list(_SCORE_UNITS), _SCORE_UNITS, (from_ms, to_ms), steps)

    return router


def _select() -> Any:
    c = people.person.c
    columns = (c.key, c.name, c.area, c.address, c.language, c.risks, c.conditions, c.spo2_scale)
    return select(*columns, people.area.c.name.label("area_name")).join(people.area, people.area.c.path == c.area)


def _person(row: Row[Any]) -> dict[str, Any]:
    return {
        "key": row.key, "name": row.name, "area": row.area, "area_name": row.area_name, "address": row.address,
        "language": row.language, "risks": list(row.risks or ()), "conditions": list(row.conditions or ()),
    }  # fmt: skip


def _health(store: Store, key: str, now_ms: int, spo2_scale: int) -> Health | None:
    try:
        state = read_state(store, key, now_ms, spo2_scale)
    except StoreError:
        return None
    signs = [
        Sign(name=one.name, unit=SIGNS[one.name].unit, value=one.value, t_ms=one.t_ms, counts=one.counts)
        for one in state.readings
    ]
    score = state.score
    return Health(
        signs=signs,
        score=score
        and Score(
            t_ms=score.t_ms, lower=score.lower, upper=score.upper, counts=score.counts, parts=score.parts
        ),
    )  # fmt: skip


def _columns(columns: dict[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    return {name: as_numbers(values, 3) for name, values in columns.items() if np.isfinite(values).any()}
