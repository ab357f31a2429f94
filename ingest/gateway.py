"""The gateway: MQTT into the journal `raw`, and only then PUBACK; the journal `commands` out to the devices.

One event loop, and a thread for the disk. What was received is committed every 20 ms or 1 MiB, whichever comes first,
by a timer as well as on arrival: with the broker's in-flight window full nothing more arrives, and the acknowledgement
has to go out all the same. While the disk takes one load the next is received; when that is full too, or the journal
has no room, the socket is not read any more and the connection is kept up, so that the broker holds what comes. Nothing
else bounds the memory needed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ingest.event_loop import run_in_loop
from ingest.gateway_commands import CommandPublisher
from ingest.gateway_commits import CommitEvents, Commits
from ingest.gateway_outage import Drain
from ingest.gateway_settings import GatewaySettings
from ingest.gateway_state import GatewayState
from ingest.gateway_subscriptions import Subscriptions
from ingest.mqtt.connection import Receiver, ReceiverEvents
from ingest.mqtt.packets import Connect
from ingest.mqtt.reasons import Code, describe
from ingest.mqtt_inbox import Inbox, Load
from ingest.mqtt_outbox import Outbox
from journal import JournalReader, JournalWriter
from journal.quarantine import Quarantine
from telemetry.records import CONNECTED, LISTENING
from telemetry.topics import subscriptions
from telemetry.zigbee2mqtt.topics import BaseTopics

_log = logging.getLogger(__name__)

_TICK_S = 0.02  # how often the journal `commands` is looked at, and a stop noticed
_HEARTBEAT_S = 1.0
_STATS_S = 10.0
_LISTENING_S = 5.0  # without a message: how often the journal is told that there was none
#: How long the broker keeps the session of a gateway that does not come back.
_SESSION_EXPIRY_S = 30 * 86_400
#: Messages under way; the broker's own limit usually is smaller.
_RECEIVE_MAXIMUM = 20_000
_TOPIC_ALIASES = 4_096
#: A hub's list of devices may have 8 MiB, see :mod:`telemetry.zigbee2mqtt.topics`; MQTT 5 brokers drop what is larger.
_MAX_PACKET_BYTES = 16 << 20
#: Loads of this size that may wait while the journal is full and the broker comes and goes; beyond it what has come is
#: given up, and the broker sends it again.
_MOST_WAITING = 4


def wall_clock_ms() -> int:
    """Epoch milliseconds now."""
    return time.time_ns() // 1_000_000


class Gateway:
    """Runs until told to stop; whatever the broker or the disk does, it holds on and tries again.

    ``journal_dir`` is the folder that has the journals `raw` (written here) and `commands` (read here). ``state_dir``
    keeps a heartbeat, what is subscribed, and every 10 s :meth:`stats` as ``gateway.json``.

    Raises:
        JournalLocked: another gateway writes `raw`.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        journal_dir: Path,
        quarantine_dir: Path,
        state_dir: Path,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._settings = settings
        self._clock_ms = clock
        raw = JournalWriter(
            journal_dir / "raw",
            consumers=("processor",),
            segment_bytes=settings.segment_bytes,
            reserve_bytes=settings.reserve_bytes,
        )
        hubs = BaseTopics(settings.zigbee_bases)
        self._inbox = Inbox(clock, hubs)
        self._outbox = Outbox(JournalReader(journal_dir / "commands", "gateway"), clock, settings.ack_expires_s)
        self._state = GatewayState(state_dir)
        self._subscriptions = Subscriptions(settings, self._state, subscriptions(), hubs.filters())
        connect = Connect(
            settings.receiver_id,
            settings.username,
            settings.password,
            keepalive_s=round(settings.keepalive_s),
            session_expiry_s=_SESSION_EXPIRY_S,
            receive_maximum=_RECEIVE_MAXIMUM,
            topic_alias_maximum=_TOPIC_ALIASES,
            maximum_packet_bytes=_MAX_PACKET_BYTES,
        )
        events = ReceiverEvents(
            self._on_connected, self._on_arrived, self._on_lost, self._on_published, self._on_subscribed
        )
        self._receiver = Receiver("gateway", settings, connect, events, capacity=settings.commit_bytes)
        self._connections: list[Receiver | CommandPublisher] = [self._receiver]
        if settings.command_username is not None:
            self._connections.append(
                CommandPublisher(settings, settings.command_username, self._on_publisher_lost, self._on_published)
            )
        self._publisher = self._connections[-1]
        self._commits = Commits(
            self._inbox,
            raw,
            Quarantine(quarantine_dir, "gateway"),
            CommitEvents(self._take, self._on_committed, lambda: self._receiver.hold(True), self._on_room),
            interval_s=settings.commit_interval_s,
            clock_ms=clock,
        )
        self._acked = 0
        self._commands_refused = 0
        self._quiet_since_s = 0.0
        self._quiet_received = 0
        self._drain = Drain()
        self._heartbeat_at_s = 0.0
        self._stats_at_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set; then commit, acknowledge what is committed, and leave.

        Raises:
            CommitFailedError: the disk refuses to commit. Nothing of that was acknowledged: start again.
        """
        try:
            run_in_loop(self._serve(stop))
        finally:
            self._commits.close()
            self._outbox.close()

    def stats(self) -> dict[str, float]:
        """Counters since the start, and what is the case now; in seconds where named ``_s``.

        ``commit_max_s`` is the longest commit since the statistics were last written.
        """
        now_s = time.monotonic()
        inbox, outbox, commits = self._inbox, self._outbox, self._commits
        stats = {
            "received": inbox.received,
            "received_bytes": inbox.received_bytes,
            "journaled": inbox.journaled,
            "unwanted": inbox.unwanted,
            "acked": self._acked,
            "pending_bytes": inbox.pending_bytes + self._receiver.pending_bytes,
            "connected": self._receiver.is_up,
            "reconnects": max(self._receiver.connections - 1, 0),
            "refused": self._receiver.refused,
            "subscribed": self._subscriptions.active,
            "publisher_connected": self._publisher.is_up,
            "held": commits.hold.active,
            "held_s": commits.hold.total_s(now_s),
            "holds": commits.hold.count,
            "commits": commits.count,
            "commit_mean_s": commits.total_s / max(commits.count, 1),
            "commit_max_s": commits.longest_s,
            "events_acked": outbox.events_acked,
            "answers_dropped": outbox.answers_dropped,
            "commands_published": outbox.commands_published,
            "commands_refused": self._commands_refused + outbox.given_up,
            "commands_expired": outbox.commands_expired,
            "commands_bad": outbox.commands_bad,
            "outbox_waiting": outbox.waiting,
        }
        stats |= {f"quarantined_{reason.value}": n for reason, n in list(inbox.quarantined.items())}
        return {name: float(value) for name, value in stats.items()}

    # ---- the loop

    async def _serve(self, stop: threading.Event) -> None:
        connecting = [asyncio.create_task(one.run(), name=one.name) for one in self._connections]
        committing = asyncio.create_task(self._commits.run(), name="commit")
        while not stop.is_set() and not any(task.done() for task in (committing, *connecting)):
            self._tick()
            await asyncio.sleep(_TICK_S)
        self._commits.stop()
        failed = [task for task in connecting if task.done()]
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        await committing
        for task in failed:
            task.result()
        self._leave()
        await asyncio.gather(*(one.close() for one in self._connections))

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._receiver.advance(now_s)
        self._pump()
        if now_s >= self._heartbeat_at_s:
            self._heartbeat(now_s)

    def _pump(self, *, commands: bool = True) -> None:
        self._outbox.pump(self._publisher, commands=commands)
        self._receiver.flush()

    # ---- from the connection to the disk

    def _on_arrived(self) -> None:
        self._commits.arrived(at_once=self._receiver.is_full)

    def _take(self) -> None:
        publishes = self._receiver.take()
        if publishes is not None:
            self._drain.message(self._receiver.heard_s)
            self._inbox.receive(publishes)

    def _on_committed(self, load: Load) -> None:
        for publishes in load.publishes:
            self._acked += self._receiver.acknowledge(publishes)
        if load.heard:
            self._outbox.answer(load.events())
            self._pump(commands=False)

    def _on_room(self) -> None:
        self._drain.begin(time.monotonic())
        self._take()
        self._mark_gap(self._commits.hold.since_ms, session_present=True, cause="resumed")
        self._receiver.hold(False)

    # ---- what is said without being asked

    def _heartbeat(self, now_s: float) -> None:
        self._heartbeat_at_s = now_s + _HEARTBEAT_S
        self._beat(now_s)
        self._say_listening(now_s)
        self._commits.drop_consumed()
        if now_s >= self._stats_at_s:
            self._stats_at_s = now_s + _STATS_S
            self._state.write_stats({"written_ms": self._clock_ms(), **self.stats()})
            self._commits.longest_s = 0.0

    def _say_listening(self, now_s: float) -> None:
        """Nothing comes though everything would: the time of those who wait for a silence goes on by this."""
        received = self._inbox.received
        listens = (
            self._subscriptions.active and self._receiver.is_up and self._drain.done and not self._commits.hold.active
        )
        if not listens or received != self._quiet_received or not self._quiet_since_s:
            self._quiet_since_s, self._quiet_received = now_s, received
        elif now_s - self._quiet_since_s >= _LISTENING_S:
            self._quiet_since_s = now_s
            self._take()  # what came before it stands before it
            self._mark(LISTENING, b"")

    def _beat(self, now_s: float) -> None:
        """Note that nothing older than the broker's last sign of life is still waiting there, if that is so.

        A crash while a queue is being delivered leaves the old beat: the rest of the queue is as old as before.
        """
        if self._commits.hold.active:
            return
        if self._receiver.is_up and self._inbox.is_empty and not self._receiver.pending_bytes:
            self._drain.look(now_s)
        if self._drain.done:
            self._state.beat(self._clock_ms() - max(round((now_s - self._receiver.heard_s) * 1000), 0))

    def _mark(self, topic: bytes, payload: bytes) -> None:
        self._inbox.mark(topic, payload)
        self._on_arrived()

    def _mark_gap(self, down_since_ms: int, *, session_present: bool, cause: str) -> None:
        marker = {"down_since_ms": down_since_ms, "session_present": session_present, "cause": cause}
        self._mark(CONNECTED, json.dumps(marker).encode())

    def _leave(self) -> None:
        """What was received and could be committed is acknowledged; the rest is delivered again next time."""
        self._pump(commands=False)
        self._beat(time.monotonic())
        self._state.write_stats({"written_ms": self._clock_ms(), **self.stats()})

    # ---- what the receiving connection tells

    def _on_connected(self, session_present: bool) -> None:
        heard_ms = self._state.last_beat_ms()
        if heard_ms is None:
            # Never run here: a session that exists all the same may have queued since any time.
            heard_ms = 0 if session_present else self._clock_ms()
        self._mark_gap(heard_ms, session_present=session_present, cause="connected")
        now_s = time.monotonic()
        self._drain.begin(now_s, empty=not session_present)
        self._beat(now_s)
        if self._receiver.is_up:  # it may have been ended in the same breath
            self._subscriptions.connected(self._receiver, session_present)

    def _on_subscribed(self, granted: bool) -> None:
        if granted:
            self._subscriptions.granted()
            return
        _log.error(
            "the broker does not let user %r subscribe to %s: give it read access in the broker's ACL"
            " (`carecircle setup mosquitto` makes one)",
            self._settings.username,
            ", ".join(self._subscriptions.filters),
        )
        self._receiver.drop("subscription refused")

    def _on_published(self, mid: int, code: int) -> None:
        self._outbox.published(mid)
        if code >= Code.FAILURE:
            self._commands_refused += 1
            _log.error(
                "the broker does not take what we publish (%s): give user %r write access to care/v1/+/cmd in the"
                " broker's ACL (`carecircle setup mosquitto` makes one)",
                describe(code),
                self._settings.command_username or self._settings.username,
            )

    def _on_lost(self) -> None:
        self._subscriptions.lost()
        if self._inbox.pending_bytes > _MOST_WAITING * self._settings.commit_bytes:
            self._receiver.discard()
        self._take()
        self._on_arrived()
        self._beat(time.monotonic())
        if self._publisher is self._receiver:
            self._on_publisher_lost()

    def _on_publisher_lost(self) -> None:
        self._outbox.lost(in_silence=self._publisher.ended_in_silence)
