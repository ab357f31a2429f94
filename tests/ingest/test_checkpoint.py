"""The processor's state on disk: whole or not there."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ingest import checkpoint
from ingest.checkpoint import Checkpoint, Parts
from ingest.readings import RecentValues
from telemetry.errors import TelemetryError

NOW_MS = 1_760_000_000_000


def test_large_state_comes_back_and_damage_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    """Arrays that go into the file by themselves are under the checksum as everything else is."""
    path = tmp_path / "state" / "checkpoint"
    path.parent.mkdir()
    arrays = {"rings": np.random.default_rng(1).normal(size=(300, 400)), "names": ["a", "b"]}
    checkpoint.save(path, Checkpoint({"raw": 77}, arrays))
    found = checkpoint.load(path)
    assert found is not None
    assert found.positions == {"raw": 77}
    assert np.array_equal(found.state["rings"], arrays["rings"])
    assert found.state["names"] == ["a", "b"]
    assert list(path.parent.iterdir()) == [path]
    whole = path.read_bytes()
    for at in (0, 5, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert checkpoint.load(path) is None
    path.write_bytes(whole[:-100])
    assert checkpoint.load(path) is None


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    """As on a full disk."""
    path = tmp_path / "checkpoint"
    checkpoint.save(path, Checkpoint({"raw": 1}, {}))
    (tmp_path / "checkpoint.new").mkdir()
    with pytest.raises(OSError, match=r"checkpoint\.new"):
        checkpoint.save(path, Checkpoint({"raw": 2}, {}))
    found = checkpoint.load(path)
    assert found is not None
    assert found.positions == {"raw": 1}


def test_parts_are_made_one_after_another_and_come_back_as_they_were(tmp_path: Path) -> None:
    """None is there before the one before it was written, or the state would be there twice."""
    path, made = tmp_path / "checkpoint", []

    def part(name: str) -> list[str]:
        made.append((name, (tmp_path / "checkpoint.new").exists()))
        return [name]

    state = {"pipeline": Parts({name: lambda name=name: part(name) for name in ("motion", "vitals")}), "homes": 3}
    assert made == []
    checkpoint.save(path, Checkpoint({"raw": 7}, state))
    assert made == [("motion", True), ("vitals", True)]
    found = checkpoint.load(path)
    assert found is not None
    assert found.state == {"pipeline": {"motion": ["motion"], "vitals": ["vitals"]}, "homes": 3}


def test_what_was_stored_is_known_for_ten_minutes_and_then_forgotten() -> None:
    """Also what was stored in a minute that is over, and after a restart."""
    recent = RecentValues()
    for minute in range(11):
        assert recent.check("pulse", NOW_MS + minute * 60_000, 70 + minute, NOW_MS + minute * 60_000)
        again = RecentValues()
        again.restore(pickle.loads(pickle.dumps(recent.state())))
        recent = again
    later_ms = NOW_MS + 10 * 60_000
    assert not recent.check("pulse", NOW_MS, 70, later_ms)
    with pytest.raises(TelemetryError, match="another value is stored"):
        recent.check("pulse", NOW_MS + 60_000, 70, later_ms)
    assert recent.check("pulse", NOW_MS, 99, NOW_MS + 11 * 60_000)


def test_what_was_stored_is_known_however_much_of_it_there_is() -> None:
    """More series in a minute than are kept at hand, and a minute later as many again; then all is forgotten."""
    recent = RecentValues()
    series = [("w", number) for number in range(9000)]
    for minute in (0, 1):
        at_ms = NOW_MS + minute * 60_000
        for one in series:
            assert recent.check(one, at_ms, 1, at_ms)
    again = RecentValues()
    again.restore(pickle.loads(pickle.dumps(recent.state())))
    for values in (recent, again):
        for minute in (0, 1):
            t_ms = NOW_MS + minute * 60_000
            for one in series[::97]:
                assert not values.check(one, t_ms, 1, NOW_MS + 599_000)
                with pytest.raises(TelemetryError, match="another value"):
                    values.check(one, t_ms, 2, NOW_MS + 599_000)
        assert values.check(series[0], NOW_MS, 2, NOW_MS + 720_001)
