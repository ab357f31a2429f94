"""The invented district can be imported as it stands."""

from __future__ import annotations

from pathlib import Path

from firmware_sim.district import write_district
from firmware_sim.scenario import load_scenario, members
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
