"""The gateway: MQTT into the journal `raw`, and only then PUBACK; the journal `commands` out to the devices.

One thread and one loop. What was received is committed every 20 ms or 1 MiB, whichever comes first, by a timer as well
as on arrival: with the broker's in-flight window full nothing more arrives, and the acknowledgement has to go out all
the same. When the journal has no room the socket is not read any more and the connection is kept up, so that the broker
holds what comes; nothing else bounds the memory needed, because what is read is committed before more is read.
"""

from __future__ import annotations

import json
import logging
import selectors
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho

from ingest.gateway_outage import Drain, Hold
from ingest.gateway_settings import GatewaySettings
from ingest.gateway_state import GatewayState
from ingest.mqtt_inbox import Inbox
from ingest.mqtt_link import Link, LinkEvents
from ingest.mqtt_opening import Login
from ingest.mqtt_outbox import Outbox
from journal import JournalFull, JournalReader, JournalWriter
from journal.quarantine import Quarantine
from telemetry.records import CONNECTED, LISTENING
from telemetry.topics import subscriptions
from telemetry.zigbee2mqtt.topics import BaseTopics

_log = logging.getLogger(__name__)

_TICK_S = 0.02  # how often the journal `commands` is looked at, and a stop noticed
_HOLD_RETRY_S = 0.1
_HEARTBEAT_S = 1.0
_STATS_S = 10.0
_LISTENING_S = 5.0  # without a message: how often the journal is told that there was none
_CLOCK_EVERY = 31  # messages between two looks at the clock while reading


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
        self._raw = JournalWriter(
            journal_dir / "raw",
            consumers=("processor",),
            segment_bytes=settings.segment_bytes,
            reserve_bytes=settings.reserve_bytes,
        )
        hubs = BaseTopics(settings.zigbee_bases)
        self._hub_filters = hubs.filters()
        self._filters = [*subscriptions(), *self._hub_filters]
        self._inbox = Inbox(self._raw, Quarantine(quarantine_dir, "gateway"), clock, hubs)
        self._outbox = Outbox(JournalReader(journal_dir / "commands", "gateway"), clock, settings.ack_expires_s)
        self._state = GatewayState(state_dir)
        self._selector = selectors.DefaultSelector()
        login = Login(settings.receiver_id, settings.username, settings.password, clean_session=False)
        own_publisher = settings.command_username is not None
        self._receiver = Link(
            "gateway",
            settings,
            login,
            LinkEvents(
                connected=self._on_connected,
                lost=self._on_lost,
                published=self._outbox.published,
                subscribed=self._on_subscribed,
                message=self._inbox.receive,
            ),
            self._selector,
        )
        self._publisher = self._receiver
        if own_publisher:
            user = settings.command_username or ""
            self._publisher = Link(
                "gateway commands",
                settings,
                Login(user, user, settings.command_password, clean_session=True),
                LinkEvents(
                    connected=_ignore,
                    lost=self._outbox.lost,
                    published=self._outbox.published,
                    subscribed=_ignore,
                    message=_ignore_message,
                ),
                self._selector,
            )
        self._links = (self._receiver,) if self._publisher is self._receiver else (self._receiver, self._publisher)
        self._subscribed = False
        self._asked_for: list[str] = []
        self._acked = 0
        self._commits = 0
        self._commit_s = 0.0
        self._commit_max_s = 0.0
        self._commit_due_s: float | None = None
        self._seen = 0
        self._quiet_since_s = 0.0
        self._quiet_received = 0
        self._drain = Drain()
        self._hold = Hold()
        self._retry_at_s = 0.0
        self._heartbeat_at_s = 0.0
        self._stats_at_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set; then commit, acknowledge what is committed, and leave.

        Raises:
            CommitFailedError: the disk refuses to commit. Nothing of that was acknowledged: start again.
        """
        try:
            while not stop.is_set():
                self._round()
            self._leave()
        finally:
            for link in self._links:
                link.close()
            self._outbox.close()
            self._inbox.close()
            self._selector.close()

    def stats(self) -> dict[str, float]:
        """Counters since the start, and what is the case now; in seconds where named ``_s``.

        ``commit_max_s`` is the longest commit since the statistics were last written.
        """
        now_s = time.monotonic()
        inbox, outbox = self._inbox, self._outbox
        stats = {
            "received": inbox.received,
            "received_bytes": inbox.received_bytes,
            "journaled": inbox.journaled,
            "unwanted": inbox.unwanted,
            "acked": self._acked,
            "pending_bytes": inbox.pending_bytes,
            "connected": self._receiver.is_up,
            "reconnects": max(self._receiver.connections - 1, 0),
            "refused": self._receiver.refused,
            "subscribed": self._subscribed,
            "publisher_connected": self._publisher.is_up,
            "held": self._hold.active,
            "held_s": self._hold.total_s(now_s),
            "holds": self._hold.count,
            "commits": self._commits,
            "commit_mean_s": self._commit_s / max(self._commits, 1),
            "commit_max_s": self._commit_max_s,
            "events_acked": outbox.events_acked,
            "answers_dropped": outbox.answers_dropped,
            "commands_published": outbox.commands_published,
            "commands_expired": outbox.commands_expired,
            "commands_bad": outbox.commands_bad,
            "outbox_waiting": outbox.waiting,
        }
        stats |= {f"quarantined_{reason.value}": n for reason, n in inbox.quarantined.items()}
        return {name: float(value) for name, value in stats.items()}

    # ---- the loop

    def _round(self) -> None:
        now_s = time.monotonic()
        for link in self._links:
            link.advance(now_s)
            link.register()
        readable = [link for link in self._links if link.has_buffered()]
        for key, mask in self._selector.select(0.0 if readable else self._patience_s(now_s)):
            ready: Link = key.data
            if mask & selectors.EVENT_WRITE:
                ready.flush()
            if mask & selectors.EVENT_READ and ready not in readable:
                readable.append(ready)
        for link in readable:
            self._read(link)
        now_s = time.monotonic()
        if not self._hold.active:
            if self._is_due(now_s):
                self._commit(now_s)
        elif now_s >= self._retry_at_s:
            self._commit(now_s)
        self._outbox.pump(self._publisher)
        self._publisher.flush()
        if now_s >= self._heartbeat_at_s:
            self._heartbeat(now_s)

    def _patience_s(self, now_s: float) -> float:
        if self._commit_due_s is None or self._hold.active:
            return _TICK_S
        return max(min(_TICK_S, self._commit_due_s - now_s), 0.0)

    def _read(self, link: Link) -> None:
        now_s = time.monotonic()
        if self._commit_due_s is None:
            self._commit_due_s = now_s + self._settings.commit_interval_s
        link.read(now_s, self._may_read_more)
        if self._inbox.is_empty:
            self._commit_due_s = None

    def _may_read_more(self) -> bool:
        """Whether the last packet was a message (there may be more at once) and there is time and room for another."""
        received = self._inbox.received
        if received == self._seen:
            return False
        self._seen = received
        self._drain.message(self._receiver.heard_s)
        if self._inbox.pending_bytes >= self._settings.commit_bytes:
            return False
        return bool(received & _CLOCK_EVERY) or self._commit_due_s is None or time.monotonic() < self._commit_due_s

    def _is_due(self, now_s: float) -> bool:
        if self._inbox.is_empty:
            return False
        if self._commit_due_s is None:
            self._commit_due_s = now_s + self._settings.commit_interval_s
        return now_s >= self._commit_due_s or self._inbox.pending_bytes >= self._settings.commit_bytes

    def _commit(self, now_s: float) -> None:
        try:
            committed = self._inbox.commit()
        except JournalFull as error:
            self._begin_hold(now_s, error)
            return
        took_s = time.monotonic() - now_s
        self._commits += 1
        self._commit_s += took_s
        self._commit_max_s = max(self._commit_max_s, took_s)
        self._commit_due_s = None
        self._receiver.ack(committed.mids)
        self._acked += len(committed.mids)
        self._outbox.answer(committed.events)
        if self._hold.active:
            self._end_hold(now_s)

    def _begin_hold(self, now_s: float, why: JournalFull) -> None:
        self._retry_at_s = now_s + _HOLD_RETRY_S
        if not self._hold.active:
            self._hold.begin(now_s, self._clock_ms())
            self._receiver.reading = False
            _log.error("holding: the broker keeps what comes until there is room. %s", why)

    def _end_hold(self, now_s: float) -> None:
        held_s = self._hold.end(now_s)
        self._receiver.resume_reading(now_s)
        self._drain.begin(now_s)
        self._mark(self._hold.since_ms, session_present=True, cause="resumed")
        _log.warning("resumed after holding for %.1f s", held_s)

    def _heartbeat(self, now_s: float) -> None:
        self._heartbeat_at_s = now_s + _HEARTBEAT_S
        self._beat(now_s)
        self._say_listening(now_s)
        self._raw.drop_consumed()
        if now_s >= self._stats_at_s:
            self._stats_at_s = now_s + _STATS_S
            self._state.write_stats({"written_ms": self._clock_ms(), **self.stats()})
            self._commit_max_s = 0.0

    def _say_listening(self, now_s: float) -> None:
        """Nothing comes though everything would: the time of those who wait for a silence goes on by this."""
        received = self._inbox.received
        listens = self._subscribed and self._receiver.is_up and self._drain.done and not self._hold.active
        if not listens or received != self._quiet_received or not self._quiet_since_s:
            self._quiet_since_s, self._quiet_received = now_s, received
        elif now_s - self._quiet_since_s >= _LISTENING_S:
            self._quiet_since_s = now_s
            self._inbox.mark(LISTENING, b"")

    def _leave(self) -> None:
        """What was received and can be committed is acknowledged; what was not is delivered again next time."""
        if not self._inbox.is_empty:
            self._commit(time.monotonic())
        self._outbox.pump(self._publisher, commands=False)
        self._beat(time.monotonic())
        self._state.write_stats({"written_ms": self._clock_ms(), **self.stats()})

    # ---- what the receiving connection tells

    def _on_connected(self, session_present: bool) -> None:
        heard_ms = self._state.last_beat_ms()
        if heard_ms is None:
            # Never run here: a session that exists all the same may have queued since any time.
            heard_ms = 0 if session_present else self._clock_ms()
        self._mark(heard_ms, session_present=session_present, cause="connected")
        now_s = time.monotonic()
        self._drain.begin(now_s, empty=not session_present)
        self._beat(now_s)
        session = [self._settings.host, str(self._settings.port), self._settings.receiver_id]
        where = [*session, *self._filters]
        before = self._state.subscribed()
        self._asked_for = where
        if session_present and before[: len(session)] == session:
            # the broker would go on with what the settings had and have no more
            self._receiver.unsubscribe([one for one in before[len(session) :] if one not in self._filters])
        if not session_present or before != where:
            self._state.forget_subscription()
            self._receiver.subscribe(self._filters)
        else:
            self._subscribed = True
            if self._hub_filters:
                # Asked again, the broker tells what it keeps: which devices a hub has, and whether it runs. Both go
                # out with QoS 0, which no session waits for.
                self._receiver.subscribe(self._hub_filters)

    def _on_subscribed(self, granted: bool) -> None:
        if granted:
            self._subscribed = True
            self._state.note_subscription(self._asked_for)
            return
        _log.error(
            "the broker does not let user %r subscribe to %s: give it read access in the broker's ACL"
            " (`carecircle setup mosquitto` makes one)",
            self._settings.username,
            ", ".join(self._filters),
        )
        self._receiver.drop("subscription refused")

    def _on_lost(self) -> None:
        self._subscribed = False
        self._inbox.forget_acknowledgements()
        self._beat(time.monotonic())
        if self._publisher is self._receiver:
            self._outbox.lost()

    def _beat(self, now_s: float) -> None:
        """Note that nothing older than the broker's last sign of life is still waiting there, if that is so.

        A crash while a queue is being delivered leaves the old beat: the rest of the queue is as old as before.
        """
        if self._hold.active:
            return
        if self._receiver.is_up and self._inbox.is_empty:
            self._drain.look(now_s)
        if self._drain.done:
            self._state.beat(self._clock_ms() - max(round((now_s - self._receiver.heard_s) * 1000), 0))

    def _mark(self, down_since_ms: int, *, session_present: bool, cause: str) -> None:
        marker = {"down_since_ms": down_since_ms, "session_present": session_present, "cause": cause}
        self._inbox.mark(CONNECTED, json.dumps(marker).encode())


def _ignore(_: bool) -> None:
    return


def _ignore_message(_client: paho.Client, _userdata: object, _message: paho.MQTTMessage) -> None:
    return
