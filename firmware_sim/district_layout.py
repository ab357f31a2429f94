"""How a district is made up: its areas, who works there, who is on call when.

The neighbourhood of the demo is written out; a whole district follows from the counts that a scenario names. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

#: Distance of neighbouring stations of a whole district, in units of about 700 m.
_STATION_SPACING = 0.9
_DAY, _NIGHT = "08:00-20:00", "20:00-08:00"
#: A Monday: turns begin then.
_TURNS_BEGIN = "2026-01-05T08:00"
_ZONE = "Asia/Shanghai"
#: On call at a station by turns: pairs by day, single ones by night.
_DAY_TURNS, _NIGHT_TURNS = 2, 4
#: Of those who work at a station; the first ones of the list are on call.
_STATION_ROLES = (
    ("nurse", ("nurse",)), ("carer", ("carer", "driver")), ("nurse", ("nurse",)), ("carer", ("carer", "driver")),
    ("carer", ("carer",)), ("carer", ("carer",)), ("nurse", ("nurse",)), ("volunteer", ("volunteer",)),
)  # fmt: skip
#: At each street centre, and at the district's.
_LEADS, _DESKS = 3, 4
_SERVICES = ("Home care 居家护理", "Meals 助餐", "Nursing 护理站", "Cleaning 家政", "Rehabilitation 康复")


class DistrictPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole district by its counts: street centres that lead stations, organisations that serve, who works for them.

    ``name`` is the root of its areas.
    """

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,31}$")] = "district"
    streets: Annotated[int, Meta(ge=1, le=200)]
    stations: Annotated[int, Meta(ge=1, le=3000)]
    providers: Annotated[int, Meta(ge=1, le=20_000)]
    staff: Annotated[int, Meta(ge=1, le=100_000)]


@dataclass(frozen=True, slots=True)
class Area:
    """An area; ``offset`` is its middle's, north and east, from the district's, in units of about 700 m."""

    path: str
    name: str
    offset: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Post:
    """A responder's post: where, what, for whom. ``in_order``: in the plain on-call order of the area."""

    id: str
    area: str
    title: str
    roles: tuple[str, ...]
    provider: str = ""
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything about a district but the people who are cared for. ``rosters`` and ``policies`` are rows of files."""

    areas: tuple[Area, ...]
    stations: tuple[str, ...]
    posts: tuple[Post, ...]
    rosters: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)

    def homes(self, people: int, rng: np.random.Generator) -> list[str]:
        """The station of each of ``people``: in turn in a neighbourhood, unevenly many each in a whole district."""
        if not self.rosters:
            return [self.stations[i % len(self.stations)] for i in range(people)]
        size = rng.lognormal(0, 0.35, len(self.stations))
        return [self.stations[i] for i in rng.choice(len(self.stations), size=people, p=size / size.sum())]


def neighbourhood() -> Layout:
    """Two streets with two stations each; a nurse and a carer at each, one lead a street, one desk."""
    areas = (
        Area("willow", "Willow Brook 柳溪区", (0.0, 0.0)),
        Area("willow.east", "East Street 东街", (0.3, 1.2)),
        Area("willow.east.lotus", "Lotus Pond station 荷塘社区", (0.9, 1.6)),
        Area("willow.east.drum", "Drum Tower station 鼓楼社区", (-0.2, 1.4)),
        Area("willow.river", "Riverside 河滨街道", (-0.6, -0.9)),
        Area("willow.river.bridge", "Stone Bridge station 石桥社区", (-0.9, -0.4)),
        Area("willow.river.orchard", "Orchard station 果园社区", (-0.5, -1.6)),
    )
    stations = tuple(area.path for area in areas if area.path.count(".") == 2)
    posts = []
    for path in stations:
        short = path.rsplit(".", 1)[1]
        posts.append(Post(f"nurse-{short}", path, "nurse", ("nurse",)))
        posts.append(Post(f"carer-{short}", path, "carer", ("carer", "driver")))
    posts += [
        Post(f"lead-{area.path.rsplit('.', 1)[1]}", area.path, "street centre", ("coordinator",))
        for area in areas
        if area.path.count(".") == 1
    ]
    posts.append(Post("desk-willow", "willow", "district desk", ("desk",)))
    return Layout(areas, stations, tuple(posts))


def street_of(person: str | None) -> int:
    """In which street of the neighbourhood somebody of a scenario lives, from 1; 0 for nobody."""
    if person is None:
        return 0
    stations = neighbourhood().stations
    streets = list(dict.fromkeys(station.rpartition(".")[0] for station in stations))
    number = int(person.rpartition("-")[2]) - 1
    return streets.index(stations[number % len(stations)].rpartition(".")[0]) + 1


def whole_district(plan: DistrictPlan) -> Layout:
    """A district of these counts.

    Stations lie on a grid and belong to the streets in turn of their rows. Street centres and the desk have a plain
    order; each station has a roster of pairs by day and one of single ones by night, from the staff of the
    organisations that serve there. An incident goes to the station, its street, the district desk.
    """
    root = plan.name
    areas = [Area(root, f"{root.capitalize()} 区", (0.0, 0.0))]
    side = int(np.ceil(np.sqrt(plan.stations)))
    street_of = [n * plan.streets // plan.stations for n in range(plan.stations)]
    stations = []
    for n, street in enumerate(street_of):
        place = ((n // side - side / 2) * _STATION_SPACING, (n % side - side / 2) * _STATION_SPACING)
        path = f"{root}.street-{street + 1:02}.station-{n + 1:03}"
        stations.append(Area(path, f"Station {n + 1} 第{n + 1}社区站", place))
    for street in sorted(set(street_of)):
        own = [station.offset for station, at in zip(stations, street_of, strict=True) if at == street]
        middle = tuple(float(x) for x in np.mean(own, axis=0))
        areas.append(
            Area(f"{root}.street-{street + 1:02}", f"Street {street + 1} 第{street + 1}街道", (middle[0], middle[1]))
        )
    posts = _posts(plan, [area.path for area in areas[1:]], [station.path for station in stations])
    rosters = [row for station in stations for row in _rosters(station.path, posts)]
    policy = {
        "id": f"{root}-usual",
        "area": root,
        "zone": _ZONE,
        "steps": [{"tier": "own", "after_s": 60}, {"tier": "above", "after_s": 60}, {"tier": "desk"}],
    }
    return Layout((*areas, *stations), tuple(station.path for station in stations), tuple(posts), rosters, [policy])


def _posts(plan: DistrictPlan, streets: list[str], stations: list[str]) -> list[Post]:
    """Desk and street centres first, then the staff of the organisations, spread evenly over the stations."""
    posts = [Post(f"desk-{i + 1}", plan.name, "district desk", ("desk",)) for i in range(min(_DESKS, plan.staff))]
    for street in streets:
        short = street.rsplit(".", 1)[1]
        posts += [Post(f"lead-{short}-{i + 1}", street, "street centre", ("coordinator",)) for i in range(_LEADS)]
    posts = posts[: plan.staff]
    for i in range(plan.staff - len(posts)):
        provider = i % plan.providers
        station = stations[provider % len(stations)]
        title, roles = _STATION_ROLES[i // plan.providers % len(_STATION_ROLES)]
        kind = _SERVICES[provider // len(stations) % len(_SERVICES)]
        posts.append(
            Post(f"staff-{i + 1:05}", station, title, roles, provider=f"{kind} {provider + 1}", in_order=False)
        )
    return posts


def _rosters(station: str, posts: list[Post]) -> list[dict[str, Any]]:
    on_call = [
        post.id for post in posts if post.area == station and not post.in_order and "volunteer" not in post.roles
    ]
    if not on_call:
        return []
    by_day = on_call[: 2 * _DAY_TURNS]
    pairs = [" + ".join(by_day[i : i + 2]) for i in range(0, len(by_day), 2)]
    by_night = on_call[2 * _DAY_TURNS : 2 * _DAY_TURNS + _NIGHT_TURNS] or by_day
    short = station.rsplit(".", 1)[1]
    common = {"area": station, "zone": _ZONE}
    return [
        {"id": f"{short}-day", **common, "start": _TURNS_BEGIN, "turn_days": 7, "turns": pairs, "hours": [_DAY]},
        {
            "id": f"{short}-night", **common, "start": _TURNS_BEGIN.replace("08:00", "20:00"), "turn_days": 1,
            "turns": by_night, "hours": [_NIGHT],
        },
    ]  # fmt: skip
