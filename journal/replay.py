"""Put quarantined messages back: into the journal `replayed`, which the processor reads, marked as a replay."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from journal.entry import Entry, parse_id
from journal.errors import JournalLocked
from journal.offsets import sync_directory
from journal.quarantine import Filter, get_entry, iter_entries, load_replayed, replayed_path, stages
from journal.segments import list_segments
from journal.writer import JournalWriter
from telemetry.records import Flag, pack_raw

_CONSUMERS = ("processor",)
_SEGMENT_BYTES = 16 << 20
_BATCH_BYTES = 1 << 20
_LOCK_WAIT_S = 10.0
_ALREADY = "it was replayed before; it goes in once more only with --again"


@dataclass(slots=True)
class Replayed:
    """What a replay did: the ids put back, and the ids that were not, each with the reason."""

    done: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def replay(
    quarantine: Path,
    journal: Path,
    chosen: Iterable[str] | Filter,
    *,
    now_ms: int,
    again: bool = False,
) -> Replayed:
    """Append the chosen entries to the journal in the folder ``journal``, oldest first, with ``Flag.REPLAY``.

    Ids are put back in the order in which they are given. An entry that was put back before is refused unless
    ``again``. When the process dies half-way, some may be put back twice later: messages are idempotent by key.

    Raises:
        BadEntryIdError, EntryNotFoundError: an id is none; nothing was put back.
        JournalLocked: another replay has been running for ten seconds.
        JournalFull: no room on the disk; what is in ``load_replayed`` was put back.
    """
    entries: Iterable[Entry]
    if isinstance(chosen, Filter):
        entries = iter_entries(quarantine, chosen, newest_first=False)
    else:
        entries = [get_entry(quarantine, entry_id) for entry_id in dict.fromkeys(chosen)]
    result = Replayed()
    writer = _open(journal)
    try:
        writer.drop_consumed()
        history = load_replayed(quarantine)
        for batch in _batches(_admitted(entries, history, result, again)):
            writer.append([_record(entry) for entry in batch])
            writer.commit()
            history.update((entry.id, now_ms) for entry in batch)
            _save(quarantine, history)
            result.done.extend(entry.id for entry in batch)
    finally:
        writer.close()
    return result


def _open(journal: Path) -> JournalWriter:
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            return JournalWriter(journal, consumers=_CONSUMERS, segment_bytes=_SEGMENT_BYTES, reserve_bytes=0)
        except JournalLocked:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _admitted(entries: Iterable[Entry], history: dict[str, int], result: Replayed, again: bool) -> Iterator[Entry]:
    for entry in entries:
        why = entry.obstacle or (_ALREADY if entry.id in history and not again else None)
        if why is None:
            yield entry
        else:
            result.refused[entry.id] = why


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += entry.size
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _record(entry: Entry) -> bytes:
    return pack_raw(entry.recv_ms, entry.flags | Flag.REPLAY, entry.topic, entry.payload)


def _save(quarantine: Path, history: dict[str, int]) -> None:
    """Replace the memory of what was put back, without the entries that have been dropped."""
    oldest = {
        stage: segments[0].start for stage in stages(quarantine) if (segments := list_segments(quarantine / stage))
    }
    kept = {}
    for entry_id, at_ms in history.items():
        stage, position, _ = parse_id(entry_id)
        if position >= oldest.get(stage, position + 1):
            kept[entry_id] = at_ms
    path = replayed_path(quarantine)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(quarantine)
