"""The processor: journal `raw` in, journals `points` and `detections` out, a checkpoint every few seconds.

It may be killed at any moment. Offsets move only with a checkpoint, and a checkpoint holds the whole state (open
windows, rings, clocks) at exactly these offsets, so that the next process repeats what came after it, with the same
keys. Its clock is the receive time in the journal; the wall clock only helps when nothing comes.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detection import Detection, pack_detection
from ingest import checkpoint
from ingest.banks import UNREADABLE
from ingest.devices import Owner
from ingest.long_memory import SNAPSHOT_EVERY_S, LongMemory, Mark
from ingest.memory import in_passing
from ingest.overtaking import Overtaking, OvertakingHubs
from ingest.pipeline import Output, Pipeline
from journal import Batch, JournalFull, JournalReader, JournalWriter
from journal.quarantine import Quarantine
from telemetry.blocks import RawBlock, is_block, may_hold_events, unpack_block
from telemetry.records import PointBatch, RawMessage, pack_points, unpack_raw

_log = logging.getLogger(__name__)

#: Readable name of the processor as a consumer of `raw` and `replayed`.
CONSUMER = "processor"
_INPUTS = ("raw", "replayed")
#: With no message for this long the wall clock, less this, moves the pipeline's clock on. More than any message takes
#: from the gateway to here, so that a repetition of the same input finds the same order.
IDLE_MS = 500
_PIPELINE_EVERY_MS = 10_000
#: While more is gathered, what has come is looked through for a call for help so often.
_LOOK_S = 0.05
#: Less than this (some two thousand frames of motion) may wait for so many times as long: a look at few impacts costs
#: nearly what one at many does. A fall waits half a second for it, a second at most.
_FEW_BYTES, _FEW_WAIT = 3 << 19, 4
#: With more than this waiting, calls for help are looked for in it.
_BEHIND_BYTES = 32 << 20
_FULL_RETRY_S = 0.1
#: In a quiet moment a checkpoint is due this soon after the last one: it costs nobody anything then.
_QUIET_CHECKPOINT_S = 2.0
#: The state of a district takes most of a second to save: it may take this share of the time, and wait so long at most.
_CHECKPOINT_SHARE = 0.05
_SELDOM_CHECKPOINT_S = 30.0


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """Where the processor works, and how often it does what."""

    journal_dir: Path
    quarantine_dir: Path
    state_dir: Path
    checkpoint_every_s: float = 10.0
    owners_every_s: float = 2.0
    segment_bytes: int = 68 << 20
    read_bytes: int = 8 << 20
    homes_every_s: float = SNAPSHOT_EVERY_S
    gather_s: float = 0.25


class Processor:
    """One process's worth of :class:`~ingest.pipeline.Pipeline` over the journals.

    Args:
        settings: folders and intervals.
        pipeline: fresh; a checkpoint in ``state_dir`` is restored into it.
        owners: called every ``owners_every_s``; the registry's devices, or None when nothing has changed.
        wall_ms: the wall clock, epoch ms.
    """

    def __init__(
        self,
        settings: ProcessorSettings,
        pipeline: Pipeline,
        *,
        owners: Callable[[], Mapping[str, Owner] | None],
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._owners = owners
        self._wall_ms = wall_ms
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._checkpoint_path = settings.state_dir / "processor.checkpoint"
        journals = settings.journal_dir
        self._points = JournalWriter(
            journals / "points", consumers=("writer",), segment_bytes=settings.segment_bytes, reserve_bytes=0
        )
        self._detections = JournalWriter(
            journals / "detections", consumers=("alerts",), segment_bytes=settings.segment_bytes, reserve_bytes=0
        )
        self._quarantine = Quarantine(settings.quarantine_dir, "processor")
        self._readers = {name: JournalReader(journals / name, CONSUMER) for name in _INPUTS}
        self._overtaking = Overtaking(JournalReader(journals / "raw", CONSUMER), pipeline.overtake)
        self._overtaking_hubs = OvertakingHubs(JournalReader(journals / "raw", CONSUMER), pipeline.hubs_ahead)
        self._memory = LongMemory(settings.state_dir, settings.homes_every_s)
        self._host = socket.gethostname()
        self._last_message_ms = 0
        self._dirty = False
        self._checkpoint_s = time.monotonic()  # of the last one
        self._next_checkpoint_s = self._checkpoint_s + settings.checkpoint_every_s
        self._next_owners_s = 0.0
        self._next_pipeline_ms = 0
        self._gathered_s = 0.0  # when messages were taken last
        self._busy_s = 0.0
        self._refused: dict[str, int] = {}
        self._said = dict(pipeline.counts)
        self._restore()

    def _restore(self) -> None:
        saved = checkpoint.load(self._checkpoint_path)
        mark: Mark | None = None
        if saved is not None and saved.positions:
            for name, position in saved.positions.items():
                self._readers[name].seek(position)
            try:
                self._pipeline.restore(saved.state["pipeline"])
                mark = saved.state["homes"]
            except UNREADABLE as error:
                _log.error("%s cannot be read (%s): going on from there anew", self._checkpoint_path, error)
        elif saved is not None:
            self._inherit(saved.state)
        routine = self._pipeline.lanes.routine
        if routine is not None:
            self._memory.recall(routine, mark)
        self._refresh_owners()

    def _inherit(self, state: dict[str, Any]) -> None:
        """What took weeks to learn outlives the format of the rest."""
        vitals = self._pipeline.lanes.vitals
        try:
            learnt = state["pipeline"]["lanes"]["vitals"]
        except UNREADABLE:
            return  # of a release that had none
        if vitals is not None and learnt is not None:
            vitals.inherit(learnt)

    def step(self, timeout_s: float = 0.5, *, gather_s: float = 0.0) -> bool:
        """Process what is there, waiting for it at most ``timeout_s``; whether a message was there.

        What comes within ``gather_s`` after the last that was taken is taken together, an event at once.
        """
        if time.monotonic() >= self._next_owners_s:
            self._refresh_owners()
        started_s = time.thread_time()
        took = self._feed(gather_s)
        if not took:
            self._housekeeping()
            self._readers["raw"].wait(timeout_s)
            started_s = time.thread_time()
            took = self._feed(gather_s)
        wall_ms = self._wall_ms()
        now_ms = None
        if took:
            self._last_message_ms = wall_ms
        elif wall_ms - self._last_message_ms >= IDLE_MS:
            now_ms = wall_ms - IDLE_MS
            self._next_checkpoint_s = min(self._next_checkpoint_s, self._checkpoint_s + _QUIET_CHECKPOINT_S)
        self._emit(self._pipeline.advance(now_ms))
        raw = self._readers["raw"]
        if took and raw.lag_bytes() > _BEHIND_BYTES:
            self._tell(self._overtaking.look(raw.position))
            self._tell(self._overtaking_hubs.look(raw.position))
        elif took:
            self._overtaking_hubs.rest()
        self._busy_s += time.thread_time() - started_s
        self._housekeeping()
        return took

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``; then checkpoint and close."""
        _log.info("processor: from position %d of raw", self._readers["raw"].position)
        try:
            while not stop.is_set():
                self.step(gather_s=self._settings.gather_s)
            self.save_checkpoint()
        finally:
            self.close()

    def close(self) -> None:
        """Close the journals; what was not checkpointed is repeated by the next process."""
        self._memory.close()
        for reader in self._readers.values():
            reader.close()
        self._overtaking.close()
        self._overtaking_hubs.close()
        self._points.close()
        self._detections.close()
        self._quarantine.close()

    def save_checkpoint(self) -> None:
        """Make the state durable and let the journals drop what lies before it."""
        if not self._dirty:
            return
        positions = {name: reader.position for name, reader in self._readers.items()}
        try:
            self._points.commit()
            self._quarantine.commit()  # on a full disk entries wait: draining raw is what makes room
            routine = self._pipeline.lanes.routine
            mark = None if routine is None else self._memory.save(routine, time.monotonic())
            state = {"pipeline": checkpoint.Parts(self._pipeline.parts()), "homes": mark}
            with in_passing():
                checkpoint.save(self._checkpoint_path, checkpoint.Checkpoint(positions, state))
            if mark is not None:
                self._memory.settle(mark)
            for name, reader in self._readers.items():
                if reader.committed != positions[name]:
                    reader.commit(positions[name])
        except (OSError, JournalFull) as error:
            _log.warning("processor: no checkpoint now (%s); trying again", error)
            return
        self._dirty = False
        self._points.drop_consumed()
        self._detections.drop_consumed()

    def _feed(self, gather_s: float) -> bool:
        took = False
        for name, reader in self._readers.items():
            batches = reader.read(self._settings.read_bytes)
            if batches and name == "raw":
                self._gather(reader, batches, gather_s)
            took |= bool(batches)
            self._pipeline.feed_records(_records((record for batch in batches for record in batch.records), name))
        self._dirty |= took
        return took

    def _gather(self, reader: JournalReader, batches: list[Batch], gather_s: float) -> None:
        """Put to the batches what comes soon after them, because many frames cost little more than few."""
        fresh, unseen = batches, list(batches)
        while (size := reader.position - batches[0].start) < self._settings.read_bytes:
            if not (fresh and reader.has_news()):  # what waits already costs no time
                wait_s = gather_s * (_FEW_WAIT if size < _FEW_BYTES else 1)
                left_s = self._gathered_s + wait_s - time.monotonic()
                if left_s <= 0 or any(may_hold_events(record) for batch in unseen for record in batch.records):
                    break
                unseen.clear()
                time.sleep(min(left_s, _LOOK_S))
            fresh = reader.read(self._settings.read_bytes - size)
            batches += fresh
            unseen += fresh
        self._gathered_s = time.monotonic()

    def _emit(self, out: Output) -> None:
        for refused in out.refused:
            self._refused[refused.reason] = self._refused.get(refused.reason, 0) + 1
            self._quarantine.put(refused.reason, refused.detail, refused.message, refused.device)
        if out.refused:
            self._quarantine.commit()
        self._tell(out.detections)  # first: a responder waits for them
        points = [batch for batch in out.points if len(batch)]
        points += self._pipeline_points()
        if points:
            self._append(self._points, [pack_points(batch) for batch in points])
            self._points.announce()  # durable with the checkpoint: what a power cut takes is computed again

    def _tell(self, detections: list[Detection]) -> None:
        if not detections:
            return
        self._append(self._detections, [pack_detection(detection) for detection in detections])
        self._detections.commit()
        for detection in detections:
            _log.info(
                "%s %s of %s, score %.2f, %d ms after its onset",
                detection.stage, detection.kind, detection.device, detection.score,
                detection.decided_ms - detection.onset_ms,
            )  # fmt: skip

    def _append(self, journal: JournalWriter, records: Sequence[bytes]) -> None:
        """Append, waiting for room on a full disk: what was computed must not be lost."""
        said = False
        while True:
            try:
                journal.append(records)
                return
            except JournalFull as error:
                if not said:
                    _log.warning("processor holds: %s", error)
                    said = True
                journal.drop_consumed()
                time.sleep(_FULL_RETRY_S)

    def _housekeeping(self) -> None:
        if time.monotonic() >= self._next_checkpoint_s:
            begun_s = time.monotonic()
            self.save_checkpoint()
            self._checkpoint_s = time.monotonic()
            seldom_s = min((self._checkpoint_s - begun_s) / _CHECKPOINT_SHARE, _SELDOM_CHECKPOINT_S)
            self._next_checkpoint_s = self._checkpoint_s + max(self._settings.checkpoint_every_s, seldom_s)

    def _refresh_owners(self) -> None:
        self._next_owners_s = time.monotonic() + self._settings.owners_every_s
        owners = self._owners()
        if owners is not None:
            self._pipeline.update_owners(owners)

    def _pipeline_points(self) -> list[PointBatch]:
        now_ms = self._wall_ms()
        if now_ms < self._next_pipeline_ms:
            return []
        first = not self._next_pipeline_ms
        self._next_pipeline_ms = (now_ms // _PIPELINE_EVERY_MS + 1) * _PIPELINE_EVERY_MS
        if first:
            return []
        counts = dict(self._pipeline.counts)
        seconds = _PIPELINE_EVERY_MS / 1000
        fields = {f"{name}_per_s": (counts[name] - self._said[name]) / seconds for name in counts}
        fields["lag_bytes"] = float(self._readers["raw"].lag_bytes())
        fields["busy_share"] = self._busy_s / seconds
        fields |= {f"quarantined_{reason}": float(count) for reason, count in self._refused.items()}
        self._said, self._busy_s = counts, 0.0
        self._write_stats(now_ms, {**{k: float(v) for k, v in counts.items()}, **fields})
        t_ns = np.array([now_ms // _PIPELINE_EVERY_MS * _PIPELINE_EVERY_MS * 1_000_000], dtype=np.int64)
        tags = {"stage": ["processor"], "host": [self._host]}
        return [PointBatch("pipeline", t_ns, tags, {name: np.array([value]) for name, value in fields.items()})]

    def _write_stats(self, now_ms: int, stats: dict[str, float]) -> None:
        path = self._settings.state_dir / "processor.json"
        try:
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps({"at_ms": now_ms, "pid": os.getpid(), **stats}))
            temporary.replace(path)
        except OSError as error:
            _log.debug("processor: no statistics file (%s)", error)


def _records(records: Iterable[bytes | memoryview], journal: str) -> Iterator[RawMessage | RawBlock]:
    for record in records:
        try:
            yield unpack_block(record) if is_block(record) else unpack_raw(record)
        except ValueError as error:  # only a defect of ours can write such a record: the checksum was right
            _log.error("%s: %s", journal, error)
