"""What goes down to the devices: acknowledgements of events, and the commands that other stages ordered."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ingest.mqtt_inbox import EventKey
from ingest.refusals import GIVEN_UP_AFTER, Refusals
from journal import JournalReader
from telemetry.codec import encode_json
from telemetry.commands import unpack_command
from telemetry.errors import TelemetryError
from telemetry.messages import Command
from telemetry.topics import Stream, topic

_log = logging.getLogger(__name__)

#: Acknowledgements of events that wait for the broker. Beyond it the oldest goes: its device repeats the event.
_MAX_ANSWERS = 10_000
_READ_BYTES = 1 << 16
#: For the log: topic, number of connections.
_GIVEN_UP = (
    "a message to %s is given up: the broker ended %d connections on which nothing else was under way, without a word,"
    " as it does with MQTT 3.1.1 where its ACL refuses write access to care/v1/+/cmd (`carecircle setup mosquitto`"
    " makes one)"
)


class Publisher(Protocol):
    """A connection that publishes with QoS 1."""

    @property
    def is_up(self) -> bool:
        """Whether :meth:`publish` may be called."""

    @property
    def ended_in_silence(self) -> bool:
        """Whether the last connection ended as one of MQTT 3.1.1 does over a publish that the broker refuses: soon, and
        without a word."""

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish; the number by which the broker's acknowledgement will be told."""


class _Place(NamedTuple):
    """A command of the journal: where its batch ends, and which of it."""

    end: int
    number: int


class Outbox:
    """Publishes in order, at least once. A command's offset is saved after the broker has acknowledged it."""

    def __init__(self, commands: JournalReader, clock_ms: Callable[[], int], ack_expires_s: float) -> None:
        self.events_acked = 0
        self.answers_dropped = 0
        self.commands_published = 0
        self.commands_expired = 0
        self.commands_bad = 0
        self.given_up = 0
        self._commands = commands
        self._clock_ms = clock_ms
        self._ack_expires_ms = round(ack_expires_s * 1000)
        self._answers: deque[EventKey] = deque()
        self._queue: deque[tuple[_Place, bytes]] = deque()
        self._batches: deque[tuple[int, int]] = deque()  # end and size of those that are not settled, as they were read
        self._settled: dict[int, set[int]] = {}  # by end; they stay so when the batch is read again
        self._in_flight: dict[int, tuple[str, EventKey | _Place]] = {}  # with its topic
        self._refusals = Refusals()
        self._settled_end = commands.committed

    @property
    def waiting(self) -> int:
        """Acknowledgements and commands that the broker has not taken yet."""
        return len(self._answers) + len(self._queue) + len(self._in_flight)

    def answer(self, events: Sequence[EventKey]) -> None:
        """Acknowledge these events to their devices; each repetition of an event is answered again."""
        self._answers.extend(events)
        while len(self._answers) > _MAX_ANSWERS:
            self._refusals.settled(self._answers.popleft())
            self.answers_dropped += 1

    def pump(self, link: Publisher, *, commands: bool = True) -> None:
        """Publish what waits, as far as the window allows; without ``commands`` the acknowledgements only."""
        while link.is_up and self._answers and len(self._in_flight) < self._refusals.window:
            key = self._answers.popleft()
            command = Command(
                id=f"ack-{key.boot}-{key.seq}",
                type="ack",
                expires_ms=self._clock_ms() + self._ack_expires_ms,
                boot=key.boot,
                seq=key.seq,
            )
            name = topic(key.device, Stream.CMD)
            self._in_flight[link.publish(name, encode_json(command))] = name, key
        while commands and link.is_up and len(self._in_flight) < self._refusals.window and self._refill():
            place, record = self._queue.popleft()
            wire = self._wire(record)
            if wire is None:
                self._settle(place)
            else:
                self._in_flight[link.publish(*wire)] = wire[0], place
        self._save()

    def published(self, mid: int) -> None:
        """The broker has taken the message ``mid``, or said that it will not."""
        _, sent = self._in_flight.pop(mid, ("", None))
        if isinstance(sent, _Place):
            self.commands_published += 1
        elif sent is not None:
            self.events_acked += 1
        if sent is not None:
            self._settle(sent)

    def lost(self, *, in_silence: bool = False) -> None:
        """The connection is gone: whatever the broker has not acknowledged is published again on the next one.

        Not so what it takes with ``in_silence`` to be refused, see :attr:`Publisher.ended_in_silence`.
        """
        under_way = list(self._in_flight.values())
        self._in_flight.clear()
        if self._refusals.lost([sent for _, sent in under_way], in_silence=in_silence):
            name, sent = under_way.pop()
            self.given_up += 1
            _log.error(_GIVEN_UP, name, GIVEN_UP_AFTER)
            self._settle(sent)
        self._answers.extendleft(reversed([sent for _, sent in under_way if isinstance(sent, EventKey)]))
        self._queue.clear()
        self._batches.clear()
        self._save()
        self._commands.seek(self._settled_end)

    def close(self) -> None:
        """Save the offset; what the broker has not acknowledged is published by the next process."""
        self._save()
        self._commands.close()

    def _refill(self) -> bool:
        while not self._queue and (batches := self._commands.read(_READ_BYTES)):
            for batch in batches:
                self._batches.append((batch.end, len(batch.records)))
                settled = self._settled.setdefault(batch.end, set())
                for number, record in enumerate(batch.records):
                    if number not in settled:
                        self._queue.append((_Place(batch.end, number), bytes(record)))
            self._pass_settled()
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

    def _settle(self, sent: EventKey | _Place) -> None:
        self._refusals.settled(sent)
        if isinstance(sent, _Place):
            self._settled[sent.end].add(sent.number)
            self._pass_settled()

    def _pass_settled(self) -> None:
        while self._batches and len(self._settled[self._batches[0][0]]) == self._batches[0][1]:
            self._settled_end, _ = self._batches.popleft()
            del self._settled[self._settled_end]

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
