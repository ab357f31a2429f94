"""A district as it is on an ordinary afternoon, for pictures and for the checks that every page is held to.

Builders of pages add here what their page shows, always through the code paths of the rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from sqlalchemy import Engine

import alerts.database
import console.access.database
import registry
from alerts import actions
from alerts.lifecycle import Outcome
from console.access.rules import Role
from detectors.detection import Severity
from store import open_store
from tests.browser.demo_devices import build_devices, build_quarantine
from tests.console import person_points as points
from tests.console.district import fall, incident_of, sos, take, token, wait_until
from tests.console.users import add_user

_AREAS = {
    "lianhu": "莲湖区 Lianhu",
    "lianhu.taoyuan": "桃园路街道 Taoyuan Road",
    "lianhu.taoyuan.fengqing": "丰庆社区 Fengqing",
    "lianhu.taoyuan.anding": "安定社区 Anding",
    "lianhu.hongmiaopo": "红庙坡街道 Hongmiaopo",
    "lianhu.hongmiaopo.xinghuo": "星火社区 Xinghuo",
    "lianhu.hongmiaopo.gongyuan": "工农社区 Gongnong",
}
_STATIONS = [path for path in _AREAS if path.count(".") == 2]
_PEOPLE = (
    "李桂珍 Li Guizhen", "陈玉梅 Chen Yumei", "赵德华 Zhao Dehua", "孙秀兰 Sun Xiulan",
    "吴建国 Wu Jianguo", "王淑芬 Wang Shufen", "刘玉兰 Liu Yulan", "张志强 Zhang Zhiqiang",
    "周凤英 Zhou Fengying", "郑国栋 Zheng Guodong", "冯秀英 Feng Xiuying", "何长林 He Changlin",
)  # fmt: skip
_RISKS = (("lives_alone", "very_old"), ("dementia",), (), ("lives_alone",), ("disabled",), ())
_RESPONDERS = {
    "r-zhang": ("张敏 Zhang Min", _STATIONS[0]), "r-wang": ("王芳 Wang Fang", _STATIONS[0]),
    "r-liu": ("刘洋 Liu Yang", _STATIONS[1]), "r-chen": ("陈静 Chen Jing", _STATIONS[2]),
    "r-yang": ("杨磊 Yang Lei", _STATIONS[3]), "r-desk": ("区值班室 District desk", "lianhu"),
}  # fmt: skip
_WEBHOOK = {"type": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

#: Of the home of the first person.
_SENSORS = (("h-bed", "bed", "bedroom"), ("h-kitchen", "presence", "kitchen"), ("h-bath", "presence", "bathroom"))
#: login name -> full name, roles, areas, responder
_USERS = {
    "admin": ("何雨 He Yu", (Role.ADMINISTRATOR,), ("*",), ""),
    "coordinator": ("许静 Xu Jing", (Role.COORDINATOR,), ("lianhu.taoyuan",), ""),
    "zhang": ("张敏 Zhang Min", (Role.RESPONDER,), ("lianhu.taoyuan",), "r-zhang"),
}


@dataclass(frozen=True)
class Demo:
    """The district, and what pages of it are about. ``link`` and ``taken_link``: tokens of links
    to ``waiting`` and ``taken``. ``entry``: of the quarantine in the data folder ``folder``."""

    engine: Engine
    store_url: str
    waiting: str
    taken: str
    closed: str
    person: str
    link: str
    taken_link: str
    folder: Path
    entry: str


def build_demo(engine: Engine, folder: Path, now_ms: int) -> Demo:
    """Tables, people and what happened in the last hours before ``now_ms``."""
    registry.upgrade(engine)
    alerts.database.upgrade(engine)
    console.access.database.upgrade(engine)
    _import(engine, folder / "registry")
    for login, (name, roles, areas, responder) in _USERS.items():
        add_user(engine, login, *roles, areas=areas, now_ms=now_ms, full_name=name, responder=responder)
    store_url = f"sqlite:///{folder}/store.db"
    _measured(store_url, now_ms)
    build_devices(engine, store_url, now_ms)
    closed = _closed(engine, now_ms)
    taken = _in_hand(engine, now_ms)
    waiting = _waiting(engine, now_ms)
    return Demo(
        engine,
        store_url,
        waiting=waiting,
        taken=taken,
        closed=closed,
        person="p-0001",
        link=token(waiting, "r-zhang", now_ms + 3_600_000),
        taken_link=token(taken, "r-liu", now_ms + 3_600_000),
        folder=folder,
        entry=build_quarantine(folder, now_ms),
    )


def _measured(store_url: str, now_ms: int) -> None:
    """A week of the first person, who has not been well since this morning."""
    store = open_store(store_url)
    points.write_vitals(store, "p-0001", "d-0001", now_ms, every_s=300)
    points.write_scores(store, "p-0001", now_ms)
    points.write_usual(store, "p-0001", now_ms)
    points.write_home(
        store, "p-0001", now_ms,
        {"h-bed": ("bed", (22.5, 6.5)), "h-kitchen": ("presence", (7, 11.5, 17.5)),
         "h-bath": ("presence", (6.6, 21.8))},
    )  # fmt: skip
    points.write_status(store, "d-0001", now_ms - 60_000, online=True, battery_pct=74.0)
    store.close()


def _import(engine: Engine, folder: Path) -> None:
    people = [
        {
            "key": f"p-{n:04}",
            "name": name,
            "area": _STATIONS[(n - 1) % len(_STATIONS)],
            "address": f"丰庆路 {n + 6} 号院 {n % 4 + 1} 号楼 {n % 3 + 1} 单元 {n % 6 + 1}0{n % 4 + 1}",
            "lat": 34.262 + (n * 5 % 12) * 0.0011 + (0.017 if n == 12 else 0),  # one lives too far for anybody
            "lon": 108.914 + n * 0.0013,
            "language": "zh",
            "phone": f"+86 138 0000 {n:04}",
            "risks": list(_RISKS[n % len(_RISKS)]),
        }
        for n, name in enumerate(_PEOPLE, 1)
    ]
    stations = {area: [key for key, (_, at) in _RESPONDERS.items() if at == area] for area in (*_STATIONS, "lianhu")}
    district = {
        "areas": [{"path": path, "name": name} for path, name in _AREAS.items()],
        "people": people,
        "devices": [
            *({"id": f"d-{row['key'][2:]}", "person": row["key"], "placement": "waist"} for row in people),
            *({"id": name, "person": "p-0001", "kind": kind, "placement": room} for name, kind, room in _SENSORS),
        ],
        "responders": [
            {"id": key, "name": name, "area": area, "phone": "+86 29 8600 0000", "languages": ["zh", "en"],
             "channels": [_WEBHOOK], "travel": "walk", "lat": 34.263 + n * 3 % 5 * 0.0024,
             "lon": 108.916 + n * 0.0024}
            for n, (key, (name, area)) in enumerate(_RESPONDERS.items())
        ],
        "on_call": stations,
        **_shifts(),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "district.yaml").write_text(yaml.safe_dump(district, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(engine, folder)
    assert not diff.problems, diff.problems


def _shifts() -> dict[str, object]:
    """The street has a day and a night roster; at weekends nobody is on by day."""
    street = {"area": "lianhu.taoyuan", "zone": "Asia/Shanghai"}
    day = {"start": "2026-03-02T08:00", "turns": ["r-zhang", "r-wang"], "hours": ["workday 08:00-18:00"]}
    night = {"start": "2026-03-02T18:00", "turn_days": 1, "turns": ["r-liu", "r-zhang", "r-wang + r-liu"]}
    return {
        "rosters": [
            {"id": "taoyuan-day", **street, **day},
            {"id": "taoyuan-night", **street, **night, "hours": ["18:00-08:00"]},
        ],
        "holidays": [{"area": "lianhu", "date": "2026-10-01", "name": "国庆节 National Day"}],
    }


def _closed(engine: Engine, now_ms: int) -> str:
    """Three that are over: a true fall, a false alarm, a test."""
    for device, minutes, outcome, note in (
        ("d-0010", 65, Outcome.FALSE_ALARM, "扫地时手环碰到桌边"),
        ("d-0011", 140, Outcome.TEST, ""),
        ("d-0009", 210, Outcome.TRUE, "左髋疼痛，已陪同送医"),
    ):
        at_ms = now_ms - minutes * 60_000
        take(engine, at_ms, fall(device, at_ms - 4000, severity=Severity.URGENT))
        incident = incident_of(engine, device)
        actions.acknowledge(engine, incident, "r-zhang", at_ms + 24_000, via="link")
        actions.en_route(engine, incident, "r-zhang", at_ms + 60_000)
        actions.on_scene(engine, incident, "r-zhang", at_ms + 420_000)
        actions.resolve(engine, incident, "r-zhang", at_ms + 1_500_000, outcome=outcome, note=note)
    return incident


def _in_hand(engine: Engine, now_ms: int) -> str:
    """Three that somebody has: at the door, on the way, just taken."""
    for device, seconds, steps in (
        ("d-0007", 660, (("acknowledge", 21), ("en_route", 50), ("on_scene", 560))),
        ("d-0006", 330, (("acknowledge", 35), ("en_route", 80))),
        ("d-0005", 90, (("acknowledge", 48),)),
    ):
        at_ms = now_ms - seconds * 1000
        take(
            engine, at_ms, fall(device, at_ms - 4000, severity=Severity.CRITICAL if seconds > 600 else Severity.URGENT)
        )
        incident = incident_of(engine, device)
        for step, after_s in steps:
            getattr(actions, step)(engine, incident, "r-liu", at_ms + after_s * 1000)
    return incident_of(engine, "d-0006")


def _waiting(engine: Engine, now_ms: int) -> str:
    """Three that wait for an answer: one is late, one has nobody known, one is fresh."""
    take(engine, now_ms - 75_000, fall("d-0002", now_ms - 79_000, severity=Severity.URGENT))
    wait_until(engine, now_ms - 44_000)
    take(engine, now_ms - 30_000, sos("d-9999", now_ms - 30_400, person=None))
    take(engine, now_ms - 12_000, fall("d-0001", now_ms - 16_000))
    return incident_of(engine, "d-0001")
