"""What is too much for a person: who changed it and when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

import registry
from registry.errors import ThresholdError
from registry.thresholds import Thresholds, read_thresholds, set_thresholds, threshold_changes

_FILE = """
areas: [{path: a, name: A}]
people:
  - {key: p-1, name: Li, area: a, limits: {sbp_high_mmhg: 165}, conditions: [diabetes]}
  - {key: p-2, name: Wang, area: a}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A registry with two people."""
    engine = registry.create_engine(f"sqlite:///{tmp_path}/r.db")
    registry.upgrade(engine)
    load(engine, tmp_path, _FILE)
    yield engine
    engine.dispose()


def load(engine: Engine, folder: Path, text: str) -> None:
    """Import a district."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "district.yaml").write_text(text, encoding="utf-8")
    assert registry.import_folder(engine, folder / "in").problems == []


def history(engine: Engine, person: str) -> list[tuple[str, str, str, str]]:
    """Newest first: what, before, after, who."""
    with engine.connect() as connection:
        return [(one.name, one.before, one.after, one.who) for one in threshold_changes(connection, person)]


def change(engine: Engine, wanted: Thresholds, seen: Thresholds, who: str = "dr-chen") -> int:
    """Set them of the first person; how many changed."""
    with registry.writing(engine) as connection:
        return len(set_thresholds(connection, "p-1", wanted, seen=seen, who=who, now_ms=5_000))


NOW = Thresholds("", 1, {"sbp_high_mmhg": 165.0})


def test_what_a_file_sets_is_kept_as_changed_by_the_import(engine: Engine, tmp_path: Path) -> None:
    """Also when it changes it again, and when it takes it away; a person with nothing of their own has no history."""
    assert sorted(history(engine, "p-1")) == [
        ("conditions", "", "diabetes", "import"), ("sbp_high_mmhg", "", "165", "import"),
    ]  # fmt: skip
    assert history(engine, "p-2") == []
    load(engine, tmp_path, _FILE.replace("{sbp_high_mmhg: 165}", "{hr_fast_bpm: 120.5}"))
    assert set(history(engine, "p-1")[:2]) == {
        ("sbp_high_mmhg", "165", "", "import"), ("hr_fast_bpm", "", "120.5", "import"),
    }  # fmt: skip
    load(engine, tmp_path, _FILE.replace("{sbp_high_mmhg: 165}", "{hr_fast_bpm: 120.5}").replace("Wang", "Wang Fang"))
    assert history(engine, "p-2") == []


def test_a_change_is_written_once_with_who_and_when_and_raises_the_revision(engine: Engine) -> None:
    """The processor reads the registry again when the revision rises."""
    before = registry.current_revision(engine)
    assert change(engine, Thresholds("quiet", 2, {"sbp_high_mmhg": 170.0}), NOW) == 3
    assert registry.current_revision(engine) > before
    assert history(engine, "p-1")[0] == ("sbp_high_mmhg", "165", "170", "dr-chen")
    with engine.connect() as connection:
        assert read_thresholds(connection, "p-1") == Thresholds("quiet", 2, {"sbp_high_mmhg": 170.0})
        assert {one.at_ms for one in threshold_changes(connection, "p-1", limit=3)} == {5_000}
    person = registry.directory(engine).people["p-1"]
    assert (person.fall_point, person.spo2_scale, person.limits) == ("quiet", 2, {"sbp_high_mmhg": 170.0})


def test_of_two_who_change_the_same_the_second_is_told(engine: Engine) -> None:
    """Nothing of theirs is written: they have not seen what they would overwrite."""
    assert change(engine, Thresholds("quiet", 1, dict(NOW.limits)), NOW, who="first") == 1
    with pytest.raises(ThresholdError) as failed:
        change(engine, Thresholds("sensitive", 1, {}), NOW, who="second")
    assert failed.value.changed
    assert [who for *_, who in history(engine, "p-1")].count("second") == 0


def test_an_import_does_not_undo_what_somebody_has_set(engine: Engine, tmp_path: Path) -> None:
    """Where its file says nothing; where it says something, the file holds. What came with a file goes with it."""
    change(engine, Thresholds("quiet", 2, {"sbp_high_mmhg": 165.0, "hr_fast_bpm": 130.0, "weight_gain_kg": 3.0}), NOW)
    load(engine, tmp_path, _FILE.replace("{sbp_high_mmhg: 165}", "{hr_fast_bpm: 120}").replace("name: Li", "name: Lin"))
    person = registry.directory(engine).people["p-1"]
    assert (person.name, person.fall_point, person.spo2_scale) == ("Lin", "quiet", 2)
    assert person.limits == {"hr_fast_bpm": 120.0, "weight_gain_kg": 3.0}
    assert ("hr_fast_bpm", "130", "120", "import") in history(engine, "p-1")
    change(engine, Thresholds("", 1, {}), Thresholds("quiet", 2, dict(person.limits)))
    load(engine, tmp_path, _FILE.replace("limits: {sbp_high_mmhg: 165}, ", ""))
    person = registry.directory(engine).people["p-1"]
    assert (person.fall_point, person.spo2_scale, person.limits) == ("", 1, {})


@pytest.mark.parametrize(
    "wanted",
    [
        Thresholds("loud", 1, {}),
        Thresholds("", 3, {}),
        Thresholds("", 1, {"pulse": 100.0}),
        Thresholds("", 1, {"hr_fast_bpm": 0.0}),
        Thresholds("", 1, {"hr_fast_bpm": float("nan")}),
    ],
)
def test_what_cannot_be_is_refused(engine: Engine, wanted: Thresholds) -> None:
    """The types of the import hold here too."""
    with pytest.raises(ThresholdError):
        change(engine, wanted, NOW)
    assert len(history(engine, "p-1")) == 2
