"""The invented district can be imported as it stands."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from firmware_sim.district import write_district
from firmware_sim.district_layout import DistrictPlan
from firmware_sim.scenario import Member, load_scenario, members
from firmware_sim.vitals import VitalSigns, generator
from registry import create_engine, directory, import_folder, upgrade


def test_the_district_of_the_demo_is_a_valid_registry(tmp_path: Path) -> None:
    """Every device has its person, every person's station has somebody on call, up to the district desk."""
    devices = members(load_scenario("demo"))
    write_district(
        tmp_path / "registry",
        devices,
        webhook_url="http://127.0.0.1:9/{responder}",
        webhook_secret="whsec_bm90IGEgc2VjcmV0IGF0IGFsbA==",
    )
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    upgrade(engine)
    diff = import_folder(engine, tmp_path / "registry")
    assert diff.problems == []
    assert diff.applied
    with engine.connect() as connection:
        found = directory(connection)
    assert len(found.people) == 40
    for device in devices:
        assert found.devices[device.device].person == device.person
    for person in found.people.values():
        on_call = found.on_call_for(person.area, 0)
        assert len(on_call) == 2
        assert any("http://127.0.0.1:9/nurse" in channel.url for channel in on_call[0].channels)
    assert [r.id for r in found.on_call_for("willow.east", 0)] == ["lead-east"]
    assert [r.id for r in found.on_call_for("willow", 0)] == ["desk-willow"]
    assert import_folder(engine, tmp_path / "registry").changes == []


def test_the_same_seed_invents_the_same_people(tmp_path: Path) -> None:
    """File by file."""
    devices = members(load_scenario("demo"))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_district(
            tmp_path / name,
            devices,
            webhook_url="http://127.0.0.1:9/",
            webhook_secret="whsec_bm90IGEgc2VjcmV0IGF0IGFsbA==",
            seed=seed,
        )
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert (tmp_path / "a/people.csv").read_bytes() != (tmp_path / "c/people.csv").read_bytes()


def test_whose_lungs_are_weak_has_the_scale_of_a_clinician(tmp_path: Path) -> None:
    """The registry says of a wearer what the simulated body is: low saturations are nobody's emergency then."""
    devices = [Member(f"wrist-{i:05}", f"p-{i:05}", "wearable", "wrist") for i in range(60)]
    write_district(
        tmp_path, devices, webhook_url="http://127.0.0.1:9/", webhook_secret="whsec_bm90IGEgc2VjcmV0", seed=4
    )
    with (tmp_path / "people.csv").open(encoding="utf-8") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    noon_ms = 1_759_680_000_000 + 12 * 3_600_000
    low = set()
    for index, one in enumerate(devices):
        signs = VitalSigns(generator(4, index))
        if np.mean([signs.read(noon_ms + k * 60_000)["spo2"] for k in range(30)]) < 93:
            low.add(one.person)
    assert low
    assert {key for key, row in rows.items() if row["spo2_scale"] == "2"} == low
    assert {key for key, row in rows.items() if "copd" in row["conditions"].split(";")} == low


def test_a_whole_district_has_the_counts_of_its_plan_and_somebody_on_call_everywhere(tmp_path: Path) -> None:
    """Streets, stations, organisations and staff; by day and by night a station answers, then its street, the desk."""
    plan = DistrictPlan(name="long", streets=3, stations=10, providers=24, staff=150)
    devices = [Member(f"wrist-{i:05}", f"p-{i:05}", "wearable", "wrist") for i in range(400)]
    write_district(
        tmp_path / "registry",
        devices,
        webhook_url="http://127.0.0.1:9/{responder}",
        webhook_secret="whsec_bm90IGEgc2VjcmV0IGF0IGFsbA==",
        plan=plan,
    )
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    upgrade(engine)
    diff = import_folder(engine, tmp_path / "registry")
    assert diff.problems == []
    with engine.connect() as connection:
        found = directory(connection)
    assert Counter(path.count(".") for path in found.areas) == {0: 1, 1: 3, 2: 10}
    assert len(found.responders) == 150
    assert len({responder.provider for responder in found.responders.values() if responder.provider}) == 24
    homes = Counter(person.area for person in found.people.values())
    assert set(homes) == {path for path in found.areas if path.count(".") == 2}
    assert max(homes.values()) > min(homes.values())
    monday_noon_ms = 1_790_568_000_000
    for station in homes:
        by_day, by_night = (found.on_call_for(station, monday_noon_ms + h * 3_600_000) for h in (0, 12))
        assert len(by_day) == 2
        assert len(by_night) == 1
        assert all(r.area == station for r in [*by_day, *by_night])
        assert [r.roles for r in found.on_call_for(station.rsplit(".", 1)[0], 0)] == [("coordinator",)] * 3
    assert [r.roles for r in found.on_call_for("long", 0)] == [("desk",)] * 4
