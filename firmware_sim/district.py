"""The registry folder of a district that does not exist, for the devices of a scenario.

Areas, people, devices, responders and on-call order in the files that ``carecircle registry import`` reads. The place
and everybody in it are invented.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from firmware_sim.scenario import Member

#: District, street centres, stations: path, name, offset from the middle in units of about 700 m (north, east).
_AREAS = (
    ("willow", "Willow Brook 柳溪区", (0.0, 0.0)),
    ("willow.east", "East Street 东街", (0.3, 1.2)),
    ("willow.east.lotus", "Lotus Pond station 荷塘社区", (0.9, 1.6)),
    ("willow.east.drum", "Drum Tower station 鼓楼社区", (-0.2, 1.4)),
    ("willow.river", "Riverside 河滨街道", (-0.6, -0.9)),
    ("willow.river.bridge", "Stone Bridge station 石桥社区", (-0.9, -0.4)),
    ("willow.river.orchard", "Orchard station 果园社区", (-0.5, -1.6)),
)
_STATIONS = tuple(path for path, _, _ in _AREAS if path.count(".") == 2)
_MIDDLE = (34.2655, 108.9542)  # degrees; somewhere in a large city
_DEGREES = (0.0063, 0.0076)  # of 700 m, north and east, at that latitude

_FAMILY = ("Wang 王", "Li 李", "Zhang 张", "Liu 刘", "Chen 陈", "Yang 杨", "Zhao 赵", "Huang 黄", "Zhou 周", "Wu 吴")
_GIVEN = ("Xiulan 秀兰", "Guihua 桂花", "Jianguo 建国", "Yulan 玉兰", "Shufen 淑芬", "Guoqiang 国强", "Fengying 凤英",
          "Zhiyuan 志远", "Meihua 美华", "Deming 德明")  # fmt: skip
_FAMILY_EN = ("Harris", "Clarke", "Okafor", "Novak", "Silva", "Lindqvist", "Moreau", "Kowalski")
_GIVEN_EN = ("Margaret", "Arthur", "Doris", "Walter", "Irene", "Stanley", "Edith", "Harold")
Staff = Literal["full", "thin"]
_RISKS = (("lives_alone", 0.35), ("very_old", 0.25), ("hypertension", 0.5), ("diabetes", 0.2), ("dementia", 0.08))


@dataclass(frozen=True, slots=True)
class _Post:
    """A responder's post: where, what, and where in that area's order."""

    id: str
    area: str
    title: str
    roles: tuple[str, ...]


def _posts() -> list[_Post]:
    posts = []
    for path in _STATIONS:
        short = path.rsplit(".", 1)[1]
        posts.append(_Post(f"nurse-{short}", path, "nurse", ("nurse",)))
        posts.append(_Post(f"carer-{short}", path, "carer", ("carer", "driver")))
    for path, _, _ in _AREAS:
        if path.count(".") == 1:
            posts.append(_Post(f"lead-{path.rsplit('.', 1)[1]}", path, "street centre", ("coordinator",)))
    posts.append(_Post("desk-willow", "willow", "district desk", ("desk",)))
    return posts


def write_district(
    folder: Path,
    members: Sequence[Member],
    *,
    webhook_url: str,
    webhook_secret: str,
    seed: int = 1,
    staff: Staff = "full",
) -> None:
    """Write the registry folder for the devices ``members`` and the people who have them.

    Every responder has a webhook at ``webhook_url`` (``{responder}`` in it becomes the responder's id) signed with
    ``webhook_secret``, and the console. Each station has a nurse and a carer on call, each street centre and the
    district one more; the orders of the tiers continue each other. ``thin`` staff is that of a night: one carer for all
    stations of a street, and the district's desk.
    """
    rng = np.random.default_rng([seed, 0xD157])
    folder.mkdir(parents=True, exist_ok=True)
    people = list(dict.fromkeys(member.person for member in members))
    _write_yaml(folder / "areas.yaml", [{"path": path, "name": name} for path, name, _ in _AREAS])
    _write_csv(folder / "people.csv", (_person(key, i, rng) for i, key in enumerate(people)))
    _write_csv(
        folder / "devices.csv",
        (
            {
                "id": m.device,
                "person": m.person,
                "kind": m.kind,
                "placement": m.placement,
                "model": "simulated wearable" if m.kind == "wearable" else "simulated SOS button",
            }
            for m in members
        ),
    )
    posts = _posts()
    _write_yaml(folder / "responders.yaml", [_responder(post, webhook_url, webhook_secret, rng) for post in posts])
    on_call = []
    for path, _, _ in _AREAS:
        order = _night(path, posts) if staff == "thin" else [post for post in posts if post.area == path]
        on_call += [{"area": path, "position": n, "responder": post.id} for n, post in enumerate(order, 1)]
    _write_csv(folder / "on_call.csv", on_call)


def write_drill(folder: Path, members: Sequence[Member]) -> None:
    """Write the registry folder for the devices of a drill: test devices that nobody has, for a district that exists.

    What they say is a test: it reaches the responders of the role ``test`` and nobody else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(
        folder / "devices.csv",
        ({"id": m.device, "kind": "test", "placement": m.placement, "model": "drill"} for m in members),
    )


def _night(path: str, posts: Sequence[_Post]) -> list[_Post]:
    """Who is on call in an area at night: in a street the carer of its first station, in the district its desk."""
    if path.count(".") == 1:
        return [post for post in posts if post.area.startswith(f"{path}.") and "carer" in post.roles][:1]
    return [post for post in posts if post.area == path and "desk" in post.roles]


def _place(area: str, rng: np.random.Generator, spread: float) -> dict[str, float]:
    centre = next(offset for path, _, offset in _AREAS if path == area)
    north, east = (c + float(rng.normal(0, spread)) for c in centre)
    return {
        "lat": round(_MIDDLE[0] + north * _DEGREES[0], 5),
        "lon": round(_MIDDLE[1] + east * _DEGREES[1], 5),
    }


def _name(rng: np.random.Generator, *, chinese: bool) -> str:
    if not chinese:
        return f"{rng.choice(_GIVEN_EN)} {rng.choice(_FAMILY_EN)}"
    (family, sign), (given, signs) = str(rng.choice(_FAMILY)).split(), str(rng.choice(_GIVEN)).split()
    return f"{family} {given} {sign}{signs}"


def _person(key: str, index: int, rng: np.random.Generator) -> dict[str, object]:
    area = _STATIONS[index % len(_STATIONS)]
    chinese = rng.random() < 0.7
    short = area.rsplit(".", 1)[1].capitalize()
    return {
        "key": key,
        "name": _name(rng, chinese=chinese),
        "area": area,
        "address": f"{int(rng.integers(1, 90))} {short} Lane, building {int(rng.integers(1, 20))}, "
        f"flat {int(rng.integers(1, 19))}{int(rng.integers(1, 5)):02}",
        **_place(area, rng, 0.25),
        "language": "zh" if chinese else "en",
        "phone": f"+86 000 {int(rng.integers(1000, 9999))} {int(rng.integers(1000, 9999))}",
        "risks": ";".join(risk for risk, share in _RISKS if rng.random() < share),
    }


def _responder(post: _Post, url: str, secret: str, rng: np.random.Generator) -> dict[str, object]:
    return {
        "id": post.id,
        "name": f"{_name(rng, chinese=True)} ({post.title})",
        "area": post.area,
        **_place(post.area, rng, 0.05),
        "phone": f"+86 000 {int(rng.integers(1000, 9999))} {int(rng.integers(1000, 9999))}",
        "languages": ["zh", "en"] if post.roles != ("desk",) else ["en", "zh"],
        "roles": list(post.roles),
        "channels": [
            {"type": "webhook", "url": url.replace("{responder}", post.id), "secret": secret},
            {"type": "console"},
        ],
    }


def _write_yaml(path: Path, rows: list[dict[str, object]] | list[dict[str, str]]) -> None:
    path.write_text(yaml.safe_dump(rows, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _write_csv(path: Path, rows: Iterable[dict[str, object]]) -> None:
    table = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]) if table else ["id"])
        writer.writeheader()
        writer.writerows(table)
