"""The few columns that the processor reads of the registry say what the directory says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from registry import create_engine, directory, import_folder, upgrade, worn_devices, writing

DISTRICT = {
    "areas": [{"path": "lake", "name": "Lake"}, {"path": "lake.east", "name": "East"}],
    "people": [
        {
            "key": "p-1", "name": "One", "area": "lake.east", "fall_point": "quiet", "conditions": ["diabetes"],
            "spo2_scale": 2, "limits": {"sbp_high_mmhg": 170}, "residents": 2, "pets": True,
        },
        {"key": "p-2", "name": "Two", "area": "lake"},
    ],
    "devices": [
        {"id": "w-1", "person": "p-1", "placement": "wrist"},
        {"id": "w-2", "person": "p-1", "placement": "waist", "area": "lake"},
        {"id": "b-1", "person": "p-2", "kind": "button"},
        {"id": "spare", "placement": "waist"},
        {"id": "hall", "kind": "pir", "area": "lake.east"},
    ],
    "responders": [{"id": "desk", "name": "Desk", "area": "lake", "channels": [{"type": "console"}]}],
}  # fmt: skip


def test_whose_devices_are_is_what_the_directory_says(tmp_path: Path) -> None:
    """With and without a person, an area of its own, anything known of the person; at the registry's revision."""
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    upgrade(engine)
    assert worn_devices(engine) == (directory(engine).revision, [])
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "district.yaml").write_text(yaml.safe_dump(DISTRICT))
    assert import_folder(engine, folder).problems == []
    whole = directory(engine)
    revision, found = worn_devices(engine)
    assert revision == whole.revision
    assert [worn.device for worn in found] == sorted(whole.devices)
    for worn in found:
        device = whole.devices[worn.device]
        assert (worn.person, worn.area, worn.placement, worn.kind) == (
            device.person, device.area, device.placement, device.kind,
        )  # fmt: skip
        person = whole.people.get(device.person or "")
        said = (worn.fall_point, worn.conditions, worn.spo2_scale, dict(worn.limits), worn.residents, worn.pets)
        if person is None:
            assert said == ("", (), 1, {}, 1, False)
        else:
            assert said == (
                person.fall_point, person.conditions, person.spo2_scale, person.limits, person.residents, person.pets,
            )  # fmt: skip


def test_a_database_that_is_new_enough_is_left_alone(tmp_path: Path) -> None:
    """Roles start while another process writes: who has nothing to change does not wait for it."""
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    engine = create_engine(url)
    upgrade(engine)
    other = create_engine(url, busy_timeout_s=0)
    with writing(engine) as connection:
        with pytest.raises(OperationalError, match="locked"), writing(other):
            pass
        before = connection.execute(text("SELECT * FROM alembic_version_registry")).all()
        upgrade(other)
        assert connection.execute(text("SELECT * FROM alembic_version_registry")).all() == before != []


def test_roles_without_a_database_load_none() -> None:
    """Gateway and writer of a district share a small machine: what they do not use is not in their memory."""
    names = "carecircle.cli, carecircle.roles, alerts.errors, console.errors, registry, ingest.gateway, ingest.writer"
    code = f"import sys, {names}; print([m for m in ('sqlalchemy', 'alembic', 'fastapi', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
