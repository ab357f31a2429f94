"""A city of two stations with rosters, for the pages of coverage and on-call."""

from __future__ import annotations

from pathlib import Path

import yaml
from sqlalchemy import Engine

import alerts.database
import console.access.database
import registry
from console.access.rules import Role
from tests.console.users import add_user

NEAR, FAR = "city.near", "city.far"
_WEBHOOK = {"type": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
_NAMES = {"city": "Big City", NEAR: "Near", FAR: "Farland"}
#: Five kilometres north of the station: too far for anybody in 15 minutes.
_AWAY_DEG = 0.05
LAT, LON = 29.6, 106.5


def responder(key: str, name: str, area: str, **values: object) -> dict[str, object]:
    """A row of responders."""
    return {"id": key, "name": name, "area": area, "channels": [_WEBHOOK], "lat": LAT, "lon": LON, "travel": "ebike",
            **values}  # fmt: skip


def person(number: int, area: str, name: str, lat: float | None = LAT, lon: float | None = LON) -> dict[str, object]:
    """A row of people."""
    return {"key": f"p-{number:04}", "name": name, "area": area, "lat": lat, "lon": lon}


def build(engine: Engine, folder: Path, *, zone: str = "Asia/Shanghai") -> Engine:
    """The tables, the city, and users: ``anna`` administrator, ``near`` and ``far`` coordinators of their stations,
    ``li`` and ``wang`` responders of Near.

    Near has a day roster (Li and Wang by weeks) and a night roster (Chen); Far a plain order of Zhao; the city a desk.
    Of Near's three people one lives out of reach and one has no place; Far's only one is reached.
    """
    registry.upgrade(engine)
    alerts.database.upgrade(engine)
    console.access.database.upgrade(engine)
    folder.mkdir(exist_ok=True)
    city = {
        "areas": [{"path": path, "name": name} for path, name in _NAMES.items()],
        "people": [
            person(1, NEAR, "Ann Reached"),
            person(2, NEAR, "Bo Lonely", LAT + _AWAY_DEG),
            person(3, NEAR, "Cy Nowhere", None, None),
            person(4, FAR, "Di Elsewhere"),
        ],
        "responders": [
            responder("li", "Li Na", NEAR),
            responder("wang", "Wang <b>Fang</b>", NEAR),
            responder("chen", "Chen Jing", NEAR),
            responder("mute", "Mu Te", NEAR, channels=[]),
            responder("zhao", "Zhao Lei", FAR),
            responder("desk", "District Desk", "city"),
        ],
        "on_call": {FAR: ["zhao"]},
        "rosters": [
            {"id": "near-day", "area": NEAR, "zone": zone, "start": "2026-03-02T08:00", "turns": ["li", "wang"],
             "hours": ["mon-fri 08:00-22:00"]},
            {"id": "near-night", "area": NEAR, "zone": zone, "start": "2026-03-02T22:00", "turn_days": 1,
             "turns": ["chen"], "hours": ["22:00-06:00"], "layer": 2},
            {"id": "far-day", "area": FAR, "zone": zone, "start": "2026-03-02T08:00", "turns": ["zhao"],
             "hours": ["08:00-18:00"]},
        ],
        "holidays": [{"area": "city", "date": "2026-03-05", "name": "Feast"}],
    }  # fmt: skip
    (folder / "district.yaml").write_text(yaml.safe_dump(city, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(engine, folder)
    assert not diff.problems, diff.problems
    add_user(engine, "anna", Role.ADMINISTRATOR)
    for name, area in (("near", NEAR), ("far", FAR)):
        add_user(engine, name, Role.COORDINATOR, areas=(area,))
    for name in ("li", "wang"):
        add_user(engine, name, Role.RESPONDER, areas=(NEAR,), responder=name)
    add_user(engine, "doctor", Role.CLINICIAN, areas=(NEAR,))
    return engine
