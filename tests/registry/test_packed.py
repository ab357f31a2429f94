"""People and devices as bytes: the same to whoever asks, in less memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

import registry
from registry.entries import ContactEntry, DeviceEntry, PersonEntry
from registry.packed import Packed, form_of, form_of_several
from tests.registry.test_contacts import with_contacts

_WHOLE = PersonEntry(
    key="p-1", name="阿依古丽", area="d.s", address="1 Lake Road", lat=34.0, lon=108.5, language="ug", phone="139",
    door_code="12#", risks=("lives_alone", "dementia"), fall_point="quiet", conditions=("diabetes",), spo2_scale=2,
    limits={"hr_fast_bpm": 120.0}, residents=3, pets=True,
)  # fmt: skip


class _Same(str):
    """A text whose hash says nothing."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 1


def test_a_packed_directory_is_the_same_to_who_asks(registry_engine: Engine, tmp_path: Path) -> None:
    """Entries, their order, devices in the area of their person, contacts, and who has devices where."""
    assert registry.import_folder(registry_engine, with_contacts(tmp_path / "in")).applied
    whole, packed = registry.directory(registry_engine), registry.directory(registry_engine, packed=True)
    for name in ("people", "devices", "contacts"):
        plain, small = getattr(whole, name), getattr(packed, name)
        assert len(plain) > 0
        assert list(small.items()) == list(plain.items())
        assert list(small.values()) == list(plain.values())
        assert {key: small[key] for key in small} == plain
    assert packed.equipped == whole.equipped
    assert [packed.device("nobody's"), packed.person("nobody"), packed.contacts.get("nobody")] == [None, None, None]


def test_every_field_comes_back_as_it_was() -> None:
    """With a value other than its default in each."""
    bare = PersonEntry(key="p-2", name="B", area="d")
    packed = Packed(((one.key, one) for one in (_WHOLE, bare)), form_of(PersonEntry))
    assert (packed["p-1"], packed["p-2"]) == (_WHOLE, bare)
    contacts = (ContactEntry(person="p-1", responder="r", relation="family", position=2, has_key=True),)
    assert Packed([("p-1", contacts)], form_of_several(ContactEntry))["p-1"] == contacts


def test_keys_of_one_hash_are_told_apart() -> None:
    """The hash only says where to look."""
    names = [_Same(f"w-{n}") for n in range(200)]
    packed = Packed(((name, DeviceEntry(id=str(name))) for name in names), form_of(DeviceEntry))
    assert [packed[name].id for name in names] == [str(name) for name in names]
    assert _Same("w-200") not in packed


def test_more_texts_than_are_kept_once_come_back_too() -> None:
    """A field for what repeats may hold something else with everybody; one device has no area."""
    devices = [DeviceEntry(id=f"w-{n}", area=f"d.s{n % 3}", model=f"no. {n}") for n in range(1500)]
    devices.append(DeviceEntry(id="spare", model="no. 1"))
    packed = Packed(((one.id, one) for one in devices), form_of(DeviceEntry))
    assert list(packed.values()) == devices


def test_nothing_of_it_can_be_changed_and_none_may_be_there() -> None:
    """It is shared, and an empty registry has one too."""
    empty = Packed((), form_of(DeviceEntry))
    assert (len(empty), list(empty), empty.get("w-1")) == (0, [], None)
    with pytest.raises(TypeError):
        empty["w-1"] = DeviceEntry(id="w-1")  # type: ignore[index]
