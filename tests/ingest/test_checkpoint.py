"""The processor's state on disk: whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest import checkpoint
from ingest.checkpoint import Checkpoint


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
