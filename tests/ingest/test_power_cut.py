"""Points are durable with the checkpoint: a power cut takes only what the processor then computes again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from detectors.fall.bank import FallBank
from ingest import checkpoint
from ingest.devices import Owner
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from journal import JournalReader, JournalWriter
from journal.segments import list_segments
from telemetry.codec import encode_json
from telemetry.messages import Vitals
from telemetry.records import pack_raw, unpack_points

NOW = 1_760_000_000_000
_OWNERS = {"w": Owner("p1", "lianhu.a.b", "waist")}


def _processor(folder: Path) -> Processor:
    settings = ProcessorSettings(folder / "journal", folder / "quarantine", folder / "state")
    return Processor(settings, Pipeline(FallBank(), FallBank()), owners=lambda: _OWNERS, wall_ms=lambda: NOW)


def _come(folder: Path, rates: range) -> None:
    with JournalWriter(folder / "journal" / "raw", consumers=("processor",), reserve_bytes=0) as raw:
        for hr in rates:
            said = Vitals(t=NOW + 1000 * hr, boot=1, seq=hr, hr=float(hr))
            raw.append([pack_raw(NOW + 1000 * hr, 0, b"care/v1/w/vitals", encode_json(said))])
            raw.commit()


def _take(reader: JournalReader) -> list[float]:
    """Heart rates of the points that the writer has not read, and its offset behind them."""
    records = [record for batch in reader.read() for record in batch.records]
    reader.commit(reader.position)
    points = [unpack_points(record) for record in records]
    return [float(hr) for one in points if one.measurement == "vitals" for hr in np.asarray(one.fields["hr"])]


def test_points_that_a_power_cut_took_from_the_disk_come_again_behind_where_the_writer_was(tmp_path: Path) -> None:
    """The writer had read them all; the file has lost everything since the checkpoint, the offset has not."""
    processor = _processor(tmp_path)
    points = tmp_path / "journal" / "points"
    writer = JournalReader(points, "writer")
    _come(tmp_path, range(60, 63))
    assert processor.step(0.0)
    processor.save_checkpoint()
    segment = list_segments(points)[-1].path
    durable = segment.stat().st_size
    _come(tmp_path, range(63, 66))
    assert processor.step(0.0)
    assert _take(writer) == [60, 61, 62, 63, 64, 65]
    assert segment.stat().st_size > durable
    processor.close()
    os.truncate(segment, durable)
    after = _processor(tmp_path)
    after.step(0.0)
    assert _take(writer) == [63, 64, 65]
    assert writer.damaged_bytes == 0
    after.close()
    writer.close()


def test_points_are_durable_before_the_checkpoint_that_counts_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing between two checkpoints waits for the disk, and no checkpoint is written before it has the points."""
    processor = _processor(tmp_path)
    happened: list[str] = []
    sync, save = os.fdatasync, checkpoint.save
    points = tmp_path / "journal" / "points"

    def synced(fd: int) -> None:
        sync(fd)
        if Path(os.readlink(f"/proc/self/fd/{fd}")).parent == points:
            happened.append("points durable")

    def saved(path: Path, state: checkpoint.Checkpoint) -> None:
        happened.append("checkpoint")
        save(path, state)

    _come(tmp_path, range(60, 63))
    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(checkpoint, "save", saved)
    assert processor.step(0.0)
    assert happened == []
    processor.save_checkpoint()
    assert happened == ["points durable", "checkpoint"]
    processor.close()
