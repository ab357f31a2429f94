"""The registry folder of a district that does not exist, for the devices of a scenario.

Areas, people, devices, responders and on-call order in the files that ``carecircle registry import`` reads. The place
and everybody in it are invented.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from firmware_sim.district_layout import Area, DistrictPlan, Post, neighbourhood, whole_district
from firmware_sim.scenario import Member
from firmware_sim.vitals import health

_MIDDLE = (34.2655, 108.9542)  # degrees; somewhere in a large city
_DEGREES = (0.0063, 0.0076)  # of 700 m, north and east, at that latitude

_FAMILY = ("Wang 王", "Li 李", "Zhang 张", "Liu 刘", "Chen 陈", "Yang 杨", "Zhao 赵", "Huang 黄", "Zhou 周", "Wu 吴")
_GIVEN = ("Xiulan 秀兰", "Guihua 桂花", "Jianguo 建国", "Yulan 玉兰", "Shufen 淑芬", "Guoqiang 国强", "Fengying 凤英",
          "Zhiyuan 志远", "Meihua 美华", "Deming 德明")  # fmt: skip
_FAMILY_EN = ("Harris", "Clarke", "Okafor", "Novak", "Silva", "Lindqvist", "Moreau", "Kowalski")
_GIVEN_EN = ("Margaret", "Arthur", "Doris", "Walter", "Irene", "Stanley", "Edith", "Harold")
Staff = Literal["full", "thin"]
#: libyaml where it is there: thousands of rows in Python take seconds.
_Dumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_RISKS = (("lives_alone", 0.35), ("very_old", 0.25), ("hypertension", 0.5), ("diabetes", 0.2), ("dementia", 0.08))


def write_district(
    folder: Path,
    members: Sequence[Member],
    *,
    webhook_url: str,
    webhook_secret: str,
    seed: int = 1,
    staff: Staff = "full",
    plan: DistrictPlan | None = None,
) -> None:
    """Write the registry folder for the devices ``members`` and the people who have them.

    Every responder has a webhook at ``webhook_url`` (``{responder}`` in it becomes the responder's id) signed with
    ``webhook_secret``, and the console. Without ``plan`` it is a neighbourhood: each station has a nurse and a carer on
    call, each street centre and the district one more; the orders of the tiers continue each other. ``thin`` staff is
    that of a night: one carer for all stations of a street, and the district's desk.
    """
    rng = np.random.default_rng([seed, 0xD157])
    folder.mkdir(parents=True, exist_ok=True)
    layout = neighbourhood() if plan is None else whole_district(plan)
    areas = {area.path: area for area in layout.areas}
    people = list(dict.fromkeys(member.person for member in members))
    _write_yaml(folder / "areas.yaml", [{"path": area.path, "name": area.name} for area in layout.areas])
    homes = [areas[path] for path in layout.homes(len(people), rng)]
    lives = {m.person: {"residents": m.residents, "pets": str(m.pets).lower()} for m in members}
    wears = {m.person: health(seed, index) for index, m in enumerate(members) if m.kind == "wearable"}
    _write_csv(
        folder / "people.csv",
        (
            _person(key, home, rng) | lives[key] | _health(*wears.get(key, ((), 1)))
            for key, home in zip(people, homes, strict=True)
        ),
    )
    _write_csv(
        folder / "devices.csv",
        (
            {
                "id": m.device,
                "person": m.person,
                "kind": m.kind,
                "placement": m.placement,
                "model": f"simulated {'SOS button' if m.kind == 'button' else m.kind}",
            }
            for m in members
        ),
    )
    responders = [_responder(post, areas[post.area], webhook_url, webhook_secret, rng) for post in layout.posts]
    _write_yaml(folder / "responders.yaml", responders)
    on_call = []
    for path in areas:
        full = [post for post in layout.posts if post.area == path and post.in_order]
        order = _night(path, layout.posts) if staff == "thin" else full
        on_call += [{"area": path, "position": n, "responder": post.id} for n, post in enumerate(order, 1)]
    _write_csv(folder / "on_call.csv", on_call)
    if layout.rosters and staff == "full":
        _write_yaml(folder / "rosters.yaml", layout.rosters)
    if layout.policies:
        _write_yaml(folder / "policies.yaml", layout.policies)


def write_drill(folder: Path, members: Sequence[Member]) -> None:
    """Write the registry folder for the devices of a drill: test devices that nobody has, for a district that exists.

    What they say is a test: it reaches the responders of the role ``test`` and nobody else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(
        folder / "devices.csv",
        ({"id": m.device, "kind": "test", "placement": m.placement, "model": "drill"} for m in members),
    )


def _night(path: str, posts: Sequence[Post]) -> list[Post]:
    """Who is on call in an area at night: in a street the carer of its first station, in the district its desk."""
    if path.count(".") == 1:
        return [post for post in posts if post.area.startswith(f"{path}.") and "carer" in post.roles][:1]
    return [post for post in posts if post.area == path and "desk" in post.roles]


def _place(area: Area, rng: np.random.Generator, spread: float) -> dict[str, float]:
    north, east = (c + float(rng.normal(0, spread)) for c in area.offset)
    return {
        "lat": round(_MIDDLE[0] + north * _DEGREES[0], 5),
        "lon": round(_MIDDLE[1] + east * _DEGREES[1], 5),
    }


def _name(rng: np.random.Generator, *, chinese: bool) -> str:
    if not chinese:
        return f"{rng.choice(_GIVEN_EN)} {rng.choice(_FAMILY_EN)}"
    (family, sign), (given, signs) = str(rng.choice(_FAMILY)).split(), str(rng.choice(_GIVEN)).split()
    return f"{family} {given} {sign}{signs}"


def _person(key: str, area: Area, rng: np.random.Generator) -> dict[str, object]:
    chinese = rng.random() < 0.7
    short = area.path.rsplit(".", 1)[1].capitalize()
    return {
        "key": key,
        "name": _name(rng, chinese=chinese),
        "area": area.path,
        "address": f"{int(rng.integers(1, 90))} {short} Lane, building {int(rng.integers(1, 20))}, "
        f"flat {int(rng.integers(1, 19))}{int(rng.integers(1, 5)):02}",
        **_place(area, rng, 0.25),
        "language": "zh" if chinese else "en",
        "phone": f"+86 000 {int(rng.integers(1000, 9999))} {int(rng.integers(1000, 9999))}",
        "risks": ";".join(risk for risk, share in _RISKS if rng.random() < share),
    }


def _health(conditions: tuple[str, ...], spo2_scale: int) -> dict[str, object]:
    return {"conditions": ";".join(conditions), "spo2_scale": spo2_scale}


def _responder(post: Post, area: Area, url: str, secret: str, rng: np.random.Generator) -> dict[str, object]:
    row: dict[str, object] = {
        "id": post.id,
        "name": f"{_name(rng, chinese=True)} ({post.title})",
        "area": post.area,
        **_place(area, rng, 0.05),
        "phone": f"+86 000 {int(rng.integers(1000, 9999))} {int(rng.integers(1000, 9999))}",
        "languages": ["zh", "en"] if post.roles != ("desk",) else ["en", "zh"],
        "roles": list(post.roles),
        "channels": [
            {"type": "webhook", "url": url.replace("{responder}", post.id), "secret": secret},
            {"type": "console"},
        ],
    }
    if post.provider:
        row["provider"] = post.provider
    return row


def _write_yaml(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        yaml.dump([dict(row) for row in rows], file, _Dumper, allow_unicode=True, sort_keys=False)


def _write_csv(path: Path, rows: Iterable[dict[str, object]]) -> None:
    table = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]) if table else ["id"])
        writer.writeheader()
        writer.writerows(table)
