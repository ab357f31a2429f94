"""Whether a disturbed run kept the promises: from what was seen outside of the system to figures and failures.

Nothing of it asks how long anything took.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from detectors.detection import detection_id
from firmware_sim.truth import Press

#: (device, stream, boot, seq): what makes a message the same message.
Key = tuple[str, str, int, int]
#: Measurement, its tags by name, ns.
PointKey = tuple[str, tuple[tuple[str, str], ...], int]
Points = Mapping[PointKey, Mapping[str, float | str]]

#: mosquitto with `autosave_interval 1` saves about every second; a kill may cost what it took since. The rest is for a
#: machine that has other things to do.
_UNSAVED_MS = 10_000
#: Motion that a fall's detection needs: as long before and after its onset.
_BEFORE_MS, _AFTER_MS = 10_000, 6_000
#: A fall counts as found when its onset was put this close to the undisturbed one.
_HIT_MS = 2_500
_SHOWN = 5


class Frame(NamedTuple):
    """A motion frame: when it begins by its device's clock, and which message it is."""

    t_ms: int
    digest: bytes


class Finding(NamedTuple):
    """A confirmed fall."""

    device: str
    onset_ms: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on the devices' link. ``taken_ms``: when the broker's last PUBACK for it passed, None: never."""

    key: Key
    taken_ms: int | None


@dataclass(frozen=True, slots=True)
class Reported:
    """One detection that an incident was opened for or that was added to one."""

    incident: str
    kind: str
    device: str
    detection: str
    onset_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request at the sink. ``step`` is which call of the incident it belongs to (step, round, beside)."""

    id: str
    incident: str
    step: tuple[int, int, bool]
    at_ms: int
    is_repeat: bool
    is_genuine: bool = True


@dataclass(slots=True)
class Evidence:
    """All that was seen; messages are named by the digest of their topic and payload.

    Attributes:
        sent: what devices sent.
        acked: what the gateway acknowledged, by the packets that it sent.
        journaled: what is in the journal `raw`.
        refused: what is in the quarantine, in words; the devices send nothing that belongs there.
        published: what the devices were told that the broker has.
        broker_kills_ms: when the broker was killed.
        alerts_kills_ms: when alerts was killed.
        presses: SOS calls that were made.
        falls: what the same detector finds in all frames that were sent, in order and without a disturbance.
        frames: motion frames by device: when each began, and its digest.
        reported: what incidents hold.
        deliveries: what came to the sink, in its order.
        expected: all points that the messages which the gateway has make in some measurements, by their main fields.
        built: what the journals for the writer held.
        stored: what the store has.
    """

    sent: dict[bytes, Sent] = field(default_factory=dict)
    acked: dict[bytes, int] = field(default_factory=dict)
    journaled: set[bytes] = field(default_factory=set)
    refused: Sequence[str] = ()
    published: set[Key] = field(default_factory=set)
    broker_kills_ms: Sequence[int] = ()
    alerts_kills_ms: Sequence[int] = ()
    presses: Sequence[Press] = ()
    falls: Sequence[Finding] = ()
    frames: Mapping[str, Sequence[Frame]] = field(default_factory=dict)
    reported: Sequence[Reported] = ()
    deliveries: Sequence[Delivery] = ()
    expected: Points = field(default_factory=dict)
    built: Points = field(default_factory=dict)
    stored: Points = field(default_factory=dict)


class Account(msgspec.Struct, kw_only=True):
    """The figures of a run. ``failures`` are broken promises in words, each with some examples.

    What the broker had taken and lost when it was killed stands apart, by stream; ``lost_by_broker_oldest_s`` is how
    long before the kill it had taken the oldest of it. ``kept_unacknowledged``: in the journal all the same, as the
    gateway or its link died before the acknowledgement. ``falls_whole``: the gateway has every frame they need.
    ``incidents_of_nothing`` by kind: neither one of the calls nor one of the falls that are found undisturbed.
    """

    messages_sent: int = 0
    messages_taken: int = 0
    messages_acked: int = 0
    lost_of_acked: int = 0
    kept_unacknowledged: int = 0
    lost_by_broker: int = 0
    lost_by_broker_what: dict[str, int] = msgspec.field(default_factory=dict)
    lost_by_broker_oldest_s: float = 0.0
    lost_unexplained: int = 0
    never_taken: int = 0
    refused: int = 0
    sos_made: int = 0
    sos_lost: int = 0
    falls_undisturbed: int = 0
    falls_whole: int = 0
    falls_lost: int = 0
    falls_found_though_frames_lost: int = 0
    incidents: int = 0
    incidents_of_nothing: dict[str, int] = msgspec.field(default_factory=dict)
    notifications: int = 0
    duplicate_notifications: int = 0
    repeated_after_kill: int = 0
    points_expected: int = 0
    points_built: int = 0
    points_missing: int = 0
    points_wrong: int = 0
    points_of_nothing: int = 0
    failures: list[str] = msgspec.field(default_factory=list)

    def fail(self, what: str, examples: Iterable[object]) -> int:
        """Note a broken promise if there is an example of it; how many."""
        found = list(examples)
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            self.failures.append(f"{what}: {len(found)}: {', '.join(str(one) for one in found[:_SHOWN])}{more}")
        return len(found)


def settle(evidence: Evidence) -> Account:
    """The account of a run that has come to rest: links up, everything started again, nothing on its way."""
    account = Account()
    _messages(evidence, account)
    of_what = _incidents(evidence, account)
    _notifications(evidence, account, of_what)
    _points(evidence, account)
    return account


def _messages(seen: Evidence, account: Account) -> None:
    account.messages_sent = len({one.key for one in seen.sent.values()})
    taken = {digest: one for digest, one in seen.sent.items() if one.taken_ms is not None}
    account.messages_taken = len(taken)
    account.messages_acked = len(seen.acked)
    account.never_taken = len(seen.sent) - len(taken)
    account.lost_of_acked = account.fail(
        "acknowledged by the gateway and not in its journal",
        (_named(seen, digest) for digest in seen.acked if digest not in seen.journaled),
    )
    lost = {digest: one for digest, one in taken.items() if not _is_kept(seen, digest)}
    account.kept_unacknowledged = len(seen.sent.keys() & seen.journaled - seen.acked.keys())
    ages_ms = {d: _before_kill_ms(one.taken_ms or 0, seen.broker_kills_ms) for d, one in lost.items()}
    by_kill = {digest: age_ms for digest, age_ms in ages_ms.items() if age_ms is not None}
    account.lost_by_broker = len(by_kill)
    account.lost_by_broker_what = dict(Counter(lost[digest].key[1] for digest in by_kill))
    account.lost_by_broker_oldest_s = max(by_kill.values(), default=0) / 1000
    account.lost_unexplained = account.fail(
        "taken by the broker, never come to the gateway, and no kill of the broker explains it",
        (one.key for digest, one in lost.items() if digest not in by_kill),
    )
    account.refused = account.fail("in the quarantine, and nothing was wrong with it", seen.refused)
    account.fail(
        "a device was told that the broker has it, and no such packet passed: the proxy cannot be believed",
        seen.published - {one.key for one in taken.values()},
    )


def _is_kept(seen: Evidence, digest: bytes) -> bool:
    """Acknowledged; or committed, and the acknowledgement died with its sender."""
    return digest in seen.acked or digest in seen.journaled


def _named(seen: Evidence, digest: bytes) -> object:
    return seen.sent[digest].key if digest in seen.sent else f"digest {digest.hex()}"


def _before_kill_ms(taken_ms: int, kills_ms: Sequence[int]) -> int | None:
    """How long after this the broker was killed; None when it had been expected to have saved it by then."""
    after_ms = [kill_ms - taken_ms for kill_ms in kills_ms if 0 <= kill_ms - taken_ms <= _UNSAVED_MS]
    return min(after_ms, default=None)


def _incidents(seen: Evidence, account: Account) -> dict[str, set[str]]:
    """Which incidents tell of what: a name of the call or fall -> incidents."""
    account.sos_made = len(seen.presses)
    account.incidents = len({one.incident for one in seen.reported})
    by_detection: dict[str, set[str]] = defaultdict(set)
    for one in seen.reported:
        by_detection[one.detection].add(one.incident)
    of_what: dict[str, set[str]] = {}
    explained: set[str] = set()
    for press in seen.presses:
        incidents = by_detection[detection_id(press.device, "event", press.boot, press.seq)]
        of_what[f"SOS of {press.device}"] = incidents
        explained |= incidents
    told = {one.incident for one in seen.deliveries}
    account.sos_lost = account.fail(
        "SOS without an incident, or nobody was told", (name for name, found in of_what.items() if not found & told)
    )
    account.falls_undisturbed = len(seen.falls)
    lost = []
    for fall in seen.falls:
        found = {
            one.incident
            for one in seen.reported
            if one.kind == "fall" and one.device == fall.device and abs(one.onset_ms - fall.onset_ms) <= _HIT_MS
        }
        explained |= found
        name = f"fall of {fall.device} at {fall.onset_ms}"
        of_what[name] = found
        whole = _is_whole(seen, fall)
        account.falls_whole += whole
        account.falls_found_though_frames_lost += bool(found and not whole)
        if whole and not found & told:
            lost.append(name if not found else f"{name} (an incident, and nobody was told)")
    account.falls_lost = account.fail("falls that are found without a disturbance and were not told", lost)
    kinds = {one.incident: one.kind for one in seen.reported if one.incident not in explained}
    account.incidents_of_nothing = dict(Counter(kinds.values()))
    return of_what


def _is_whole(seen: Evidence, fall: Finding) -> bool:
    """Whether the gateway has every frame that the fall's detection needs."""
    first_ms, last_ms = fall.onset_ms - _BEFORE_MS, fall.onset_ms + _AFTER_MS
    frames = seen.frames.get(fall.device, ())
    return all(_is_kept(seen, frame.digest) for frame in frames if first_ms <= frame.t_ms <= last_ms)


def _notifications(seen: Evidence, account: Account, of_what: Mapping[str, set[str]]) -> None:
    account.notifications = len({one.id for one in seen.deliveries})
    account.fail("a request at the sink with a wrong signature", (d.id for d in seen.deliveries if not d.is_genuine))
    duplicates = [f"{name} in {len(found)} incidents" for name, found in of_what.items() if len(found) > 1]
    by_step: dict[tuple[str, tuple[int, int, bool]], set[str]] = defaultdict(set)
    last_ms: dict[str, int] = {}
    for one in seen.deliveries:
        by_step[one.incident, one.step].add(one.id)
        before_ms = last_ms.get(one.id)
        last_ms[one.id] = one.at_ms
        if before_ms is None:
            continue
        # With the id a receiver knows it for the same; a process that died before it heard the answer cannot.
        if one.is_repeat and any(before_ms <= kill_ms <= one.at_ms for kill_ms in seen.alerts_kills_ms):
            account.repeated_after_kill += 1
        else:
            duplicates.append(f"{one.id} at {before_ms} and {one.at_ms}")
    duplicates += [f"{len(ids)} ids for {incident} {step}" for (incident, step), ids in by_step.items() if len(ids) > 1]
    account.duplicate_notifications = account.fail("told twice", duplicates)


def _points(seen: Evidence, account: Account) -> None:
    account.points_expected, account.points_built = len(seen.expected), len(seen.built)
    wrong: Counter[PointKey] = Counter()
    missing: list[PointKey] = []
    for points in (seen.expected, seen.built):
        for key, fields in points.items():
            there = seen.stored.get(key)
            if there is None:
                missing.append(key)
            elif not all(_is_same(value, there.get(name)) for name, value in fields.items()):
                wrong[key] += 1
    account.points_missing = account.fail("points that are not in the store", dict.fromkeys(missing))
    account.points_wrong = account.fail(
        "points with another value in the store",
        (f"{key}: {seen.expected.get(key) or seen.built.get(key)} != {seen.stored[key]}" for key in wrong),
    )
    measurements = {key[0] for key in seen.expected}
    account.points_of_nothing = account.fail(
        "points in the store that no message accounts for",
        (key for key in seen.stored if key[0] in measurements and key not in seen.expected),
    )


def _is_same(value: float | str, stored: float | str | None) -> bool:
    if isinstance(value, str) or isinstance(stored, str) or stored is None:
        return value == stored
    return abs(value - stored) <= 1e-6 * max(1.0, abs(value))
