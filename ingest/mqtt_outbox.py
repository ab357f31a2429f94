"""What goes down to the devices: acknowledgements of events, and the commands that other stages ordered."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ingest.mqtt_inbox import EventKey
from journal import JournalReader
from telemetry.codec import encode_json
from telemetry.commands import unpack_command
from telemetry.errors import TelemetryError
from telemetry.messages import Command
from telemetry.topics import Stream, topic

_log = logging.getLogger(__name__)

#: Published and not yet acknowledged by the broker; with mosquitto's own default it would hold up nothing.
_WINDOW = 200
#: Acknowledgements of events that wait for the broker. Beyond it the oldest goes: its device repeats the event.
_MAX_ANSWERS = 10_000
_READ_BYTES = 1 << 16


class Publisher(Protocol):
    """A connection that publishes with QoS 1."""

    @property
    def is_up(self) -> bool:
        """Whether :meth:`publish` may be called."""

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish; the number by which the broker's acknowledgement will be told."""


@dataclass(slots=True)
class _OpenBatch:
    """A batch of the journal of which ``left`` commands are not settled yet."""

    end: int
    left: int


class Outbox:
    """Publishes in order, at least once. A command's offset is saved after the broker has acknowledged it."""

    def __init__(self, commands: JournalReader, clock_ms: Callable[[], int], ack_expires_s: float) -> None:
        self.events_acked = 0
        self.answers_dropped = 0
        self.commands_published = 0
        self.commands_expired = 0
        self.commands_bad = 0
        self._commands = commands
        self._clock_ms = clock_ms
        self._ack_expires_ms = round(ack_expires_s * 1000)
        self._answers: deque[EventKey] = deque()
        self._queue: deque[tuple[_OpenBatch, bytes]] = deque()
        self._batches: deque[_OpenBatch] = deque()
        self._in_flight: dict[int, EventKey | _OpenBatch] = {}
        self._settled_end = commands.committed

    @property
    def waiting(self) -> int:
        """Acknowledgements and commands that the broker has not taken yet."""
        return len(self._answers) + len(self._queue) + len(self._in_flight)

    def answer(self, events: Sequence[EventKey]) -> None:
        """Acknowledge these events to their devices; each repetition of an event is answered again."""
        self._answers.extend(events)
        while len(self._answers) > _MAX_ANSWERS:
            self._answers.popleft()
            self.answers_dropped += 1

    def pump(self, link: Publisher, *, commands: bool = True) -> None:
        """Publish what waits, as far as the window allows; without ``commands`` the acknowledgements only."""
        while link.is_up and self._answers and len(self._in_flight) < _WINDOW:
            key = self._answers.popleft()
            command = Command(
                id=f"ack-{key.boot}-{key.seq}",
                type="ack",
                expires_ms=self._clock_ms() + self._ack_expires_ms,
                boot=key.boot,
                seq=key.seq,
            )
            self._in_flight[link.publish(topic(key.device, Stream.CMD), encode_json(command))] = key
        while commands and link.is_up and len(self._in_flight) < _WINDOW and self._refill():
            batch, record = self._queue.popleft()
            wire = self._wire(record)
            if wire is None:
                self._settle(batch)
            else:
                self._in_flight[link.publish(*wire)] = batch
        self._save()

    def published(self, mid: int) -> None:
        """The broker has taken the message ``mid``."""
        sent = self._in_flight.pop(mid, None)
        if isinstance(sent, _OpenBatch):
            self.commands_published += 1
            self._settle(sent)
        elif sent is not None:
            self.events_acked += 1

    def lost(self) -> None:
        """The connection is gone: whatever the broker has not acknowledged is published again on the next one."""
        self._answers.extendleft(reversed([key for key in self._in_flight.values() if isinstance(key, EventKey)]))
        self._in_flight.clear()
        self._queue.clear()
        self._batches.clear()
        self._save()
        self._commands.seek(self._settled_end)

    def close(self) -> None:
        """Save the offset; what the broker has not acknowledged is published by the next process."""
        self._save()
        self._commands.close()

    def _refill(self) -> bool:
        if not self._queue:
            for batch in self._commands.read(_READ_BYTES):
                open_batch = _OpenBatch(batch.end, len(batch.records))
                self._batches.append(open_batch)
                self._queue.extend((open_batch, bytes(record)) for record in batch.records)
        return bool(self._queue)

    def _wire(self, record: bytes) -> tuple[str, bytes] | None:
        """Topic and payload; None for a command that is not to be published, counted."""
        try:
            outgoing = unpack_command(record)
            name = topic(outgoing.device, Stream.CMD)
        except (msgspec.MsgspecError, TelemetryError) as error:
            self.commands_bad += 1
            _log.error("a command in the journal cannot be published and is left out: %s; %r", error, record[:200])
            return None
        if outgoing.command.expires_ms <= self._clock_ms():
            self.commands_expired += 1
            _log.warning("command %s for %s expired before it went out", outgoing.command.id, outgoing.device)
            return None
        return name, encode_json(outgoing.command)

    def _settle(self, batch: _OpenBatch) -> None:
        batch.left -= 1
        while self._batches and self._batches[0].left == 0:
            self._settled_end = self._batches.popleft().end

    def _save(self) -> None:
        """Once per round rather than per command: each save waits for the disk."""
        if self._settled_end == self._commands.committed:
            return
        try:
            self._commands.commit(self._settled_end)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # Only the making of the file needs room: it is tried again, and until then a restart publishes twice.
