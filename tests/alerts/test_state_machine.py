"""The whole core under random sequences of answers, findings, timeouts and rosters: nobody is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts import answers, fusion, lifecycle
from alerts.answers import Asked
from alerts.calling import Round, call_next
from alerts.delivery import Purpose
from alerts.known import Known, Rules, Subject
from alerts.lifecycle import (
    NEXT,
    TAKEN,
    Call,
    Change,
    ClearTimer,
    DropPending,
    Incident,
    Outcome,
    SetTimer,
    StandDown,
    State,
    TimerKind,
)
from alerts.policy import HISTORICAL, IMMEDIATE
from alerts.standing_down import Sent, to_stand_down
from detectors.detection import Detection, Severity, Stage
from registry import ChannelEntry, ResponderEntry

WHO = ("ann", "bob", "chen", "desk")
HOOK = ChannelEntry(type="webhook", url="http://x", secret="whsec_x")
PEOPLE = {name: ResponderEntry(id=name, name=name, area="d", channels=(HOOK,)) for name in WHO}
MUTE = ResponderEntry(id="mute", name="mute", area="d")
ORDERS = [
    [], [MUTE], [PEOPLE["ann"]], [PEOPLE["ann"], MUTE, PEOPLE["bob"]], [PEOPLE[name] for name in WHO],
]  # fmt: skip
SUBJECT = Subject("p", "w", "d", desk=False)


def finding(kind: str, severity: Severity, at_ms: int, stage: Stage = Stage.CONFIRMED, outcome: str = "") -> Detection:
    """Something about the person."""
    return Detection(
        id="d1", stage=stage, device="w", person="p", detector="fall", version="1", kind=kind, onset_ms=at_ms,
        decided_ms=at_ms, recv_ms=at_ms, severity=severity, score=1.0, notes={"outcome": outcome},
    )  # fmt: skip


@dataclass
class Message:
    """A notification as the shell keeps it."""

    sent: Sent
    status: str = "pending"


@dataclass
class World:
    """An incident with its timers and messages, as the shell would keep them."""

    incident: Incident
    timers: dict[TimerKind, int] = field(default_factory=dict)
    messages: dict[tuple[object, ...], Message] = field(default_factory=dict)

    def apply(self, change: Change | None, now_ms: int) -> None:
        """What the shell does with a change; a state outside the table, or a key used twice, ends the test."""
        if change is None:
            return
        before = None if change.before is None else change.before.state
        for state in change.path:
            assert state is State.OPEN if before is None else state in NEXT[before]
            before = state
        assert before is change.after.state
        self.incident = change.after
        for effect in change.effects:
            match effect:
                case SetTimer():
                    self.timers[effect.kind] = effect.due_ms
                case ClearTimer():
                    self.timers.pop(effect.kind, None)
                case Call():
                    for channel in effect.channels or ("none",):
                        status = "not_sent" if effect.reason is not None else "pending"
                        self.queue(Purpose.CALL, effect.step, effect.round, effect.responder, channel, now_ms, status)
                case DropPending():
                    self.drop(effect)
                case StandDown():
                    self.stand_down(now_ms)

    def queue(
        self, purpose: Purpose, step: int, round_: int, responder: str, channel: str, now_ms: int, status: str
    ) -> None:
        key = (purpose, step, round_, responder, channel)
        assert key not in self.messages, "a key is used once"
        self.messages[key] = Message(Sent(purpose, step, round_, responder, channel, now_ms), status)

    def drop(self, drop: DropPending) -> None:
        for message in self.messages.values():
            who = message.sent.responder
            meant = drop.only in (None, who) and who not in drop.spare
            if message.sent.purpose is Purpose.CALL and message.status == "pending" and meant:
                message.status = "not_sent"

    def stand_down(self, now_ms: int) -> None:
        incident = self.incident
        spare = {*incident.declined, *(incident.standing if incident.state in TAKEN else (incident.resolved_by,))}
        known = [
            message.sent for message in self.messages.values()
            if message.status == "sent" or message.sent.purpose is Purpose.STAND_DOWN
        ]  # fmt: skip
        for one in to_stand_down(known, spare, now_ms):
            assert one.responder not in spare
            assert not incident.wants_calls, "they may still be needed"
            self.queue(Purpose.STAND_DOWN, one.step, one.round, one.responder, one.channel, now_ms, "pending")

    def calls(self, order: list[ResponderEntry]) -> Round:
        """The present round."""
        told = frozenset(
            message.sent.responder for message in self.messages.values()
            if message.sent.purpose is Purpose.CALL and message.sent.round == self.incident.round
        )  # fmt: skip
        return Round(order, told)

    def asked(self, who: str, now_ms: int) -> Asked:
        """As the shell reads it from the outbox."""
        since = {
            message.sent.responder: message.sent.done_ms for message in self.messages.values()
            if message.sent.purpose is Purpose.CALL and message.sent.round == self.incident.round
            and message.status != "not_sent"
        }  # fmt: skip
        out = {who, *self.incident.declined, *self.incident.standing}
        others = any(at_ms > now_ms - 30_000 for one, at_ms in since.items() if one not in out)
        return Asked(since.get(who), others)


class AnIncidentWithAnswers(RuleBasedStateMachine):
    """Everything that can happen to an incident, in any order, at any time."""

    world: World
    settings: Rules
    now_ms: int = 0

    @initialize(order=st.sampled_from(ORDERS), needed=st.integers(1, 3), ask_first=st.booleans())
    def opened(self, order: list[ResponderEntry], needed: int, ask_first: bool) -> None:
        policy = replace(IMMEDIATE, acknowledgements=needed, ask_first=ask_first)
        self.settings = Rules(policy=policy, historical=HISTORICAL, fuse_s=600, prompt_s=60)
        self.order = order
        self.now_ms = 0
        known = Known(None, None, False, Round(order))
        taken = fusion.take(finding("fall", Severity.URGENT, 0), SUBJECT, known, self.settings, 0)
        assert taken.change is not None
        self.world = World(taken.change.after)
        self.world.apply(taken.change, 0)
        assert (self.world.incident.state is State.OPEN) or not ask_first

    @rule(order=st.sampled_from(ORDERS))
    def the_roster_changes(self, order: list[ResponderEntry]) -> None:
        self.order = order

    @rule()
    def messages_arrive(self) -> None:
        for message in self.world.messages.values():
            if message.status == "pending":
                message.status = "sent"

    @rule(seconds=st.sampled_from([0, 1, 29, 30, 120, 600, 900]))
    def time_passes(self, seconds: int) -> None:
        end_ms = self.now_ms + seconds * 1000
        while due := [(ms, kind) for kind, ms in self.world.timers.items() if ms <= end_ms]:
            at_ms, kind = min(due)
            self.now_ms = max(self.now_ms, at_ms)
            del self.world.timers[kind]
            self.fire(kind)
        self.now_ms = end_ms

    def fire(self, kind: TimerKind) -> None:
        incident = self.world.incident
        if kind is TimerKind.CALL and incident.wants_calls:
            self.world.apply(call_next(incident, self.world.calls(self.order), self.now_ms), self.now_ms)
        if kind is TimerKind.ARRIVAL and incident.state in (State.ACKNOWLEDGED, State.EN_ROUTE):
            again = lifecycle.not_arrived(incident)
            self.world.incident = again.after  # whose round it is
            calls = self.world.calls(self.order)
            self.world.apply(again.then(call_next(again.after, calls, self.now_ms)), self.now_ms)

    @rule(name=st.sampled_from(["acknowledge", "en_route", "on_scene"]), who=st.sampled_from(WHO))
    def somebody_acts(self, name: str, who: str) -> None:
        before = self.world.incident
        answer, change = getattr(lifecycle, name)(before, who, self.now_ms, via="test")
        assert (change is not None) == (answer is lifecycle.Answer.DONE)
        self.world.apply(change, self.now_ms)
        if before.state in TAKEN:
            assert self.world.incident.acknowledged_by == before.acknowledged_by, "one winner"
        states = list(State)
        assert states.index(self.world.incident.state) >= states.index(before.state), "a press leads forward"

    @rule(who=st.sampled_from(WHO))
    def somebody_cannot_come(self, who: str) -> None:
        before = self.world.incident
        asked = self.world.asked(who, self.now_ms)
        answer, change = answers.cannot_come(before, who, self.now_ms, via="test", asked=asked)
        assert (change is not None) == (answer is lifecycle.Answer.DONE)
        self.world.apply(change, self.now_ms)
        if change is not None:
            assert who not in self.world.incident.standing
            assert not [
                message for message in self.world.messages.values()
                if message.sent.responder == who and message.sent.purpose is Purpose.CALL
                and message.status == "pending"
            ]  # fmt: skip

    @rule(who=st.sampled_from(WHO))
    def somebody_needs_help(self, who: str) -> None:
        answer, change = answers.need_help(self.world.incident, who, self.now_ms, via="test")
        assert (change is not None) == (answer is lifecycle.Answer.DONE)
        self.world.apply(change, self.now_ms)
        if change is not None:
            assert who in self.world.incident.standing
            assert self.world.incident.is_short
            assert self.world.incident.severity is Severity.CRITICAL

    @rule(kind=st.sampled_from(["fall", "sos"]), severity=st.sampled_from(list(Severity)[1:]))
    def more_is_found(self, kind: str, severity: Severity) -> None:
        self.take(finding(kind, severity, self.now_ms))

    @rule(outcome=st.sampled_from(["no_movement", "got_up"]))
    def it_goes_on(self, outcome: str) -> None:
        severity = Severity.CRITICAL if outcome == "no_movement" else Severity.WARNING
        self.take(finding("fall", severity, self.now_ms, Stage.FOLLOW_UP, outcome))

    def take(self, detection: Detection) -> None:
        known = Known(self.world.incident, None, False, self.world.calls(self.order))
        self.world.apply(fusion.take(detection, SUBJECT, known, self.settings, self.now_ms).change, self.now_ms)

    @rule(settles=st.booleans())
    def the_wearer_cancels(self, settles: bool) -> None:
        change = lifecycle.cancel_by_wearer(self.world.incident, self.now_ms, prompt="p1", settles=settles)
        self.world.apply(change, self.now_ms)

    @precondition(lambda self: self.world.incident.state is not State.RESOLVED)
    @rule(rare=st.integers(0, 4))
    def it_is_resolved(self, rare: int) -> None:
        if rare == 0:
            change = lifecycle.resolve(self.world.incident, "ann", self.now_ms, outcome=Outcome.TRUE, via="test")[1]
            self.world.apply(change, self.now_ms)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Somebody is needed: a call is due. Taken, nobody there: an arrival is due. Else nothing is, not even late."""
        incident = self.world.incident
        expected = {TimerKind.CALL} if incident.wants_calls else set()
        if incident.state in (State.ACKNOWLEDGED, State.EN_ROUTE):
            expected.add(TimerKind.ARRIVAL)
        assert set(self.world.timers) == expected
        assert all(due_ms >= self.now_ms for due_ms in self.world.timers.values())

    @invariant()
    def what_is_over_or_taken_waits_for_no_call(self) -> None:
        """A call may wait for whoever has it (told anew), and for nobody else."""
        incident = self.world.incident
        waiting = {
            message.sent.responder for message in self.world.messages.values()
            if message.status == "pending" and message.sent.purpose is Purpose.CALL
        }  # fmt: skip
        if incident.state is State.RESOLVED:
            assert not waiting

    @invariant()
    def times_do_not_go_back(self) -> None:
        incident = self.world.incident
        order = (
            incident.opened_ms, incident.acknowledged_ms, incident.en_route_ms, incident.on_scene_ms,
            incident.resolved_ms,
        )  # fmt: skip
        known = [at_ms for at_ms in order if at_ms is not None]
        assert known == sorted(known)
        assert all(at_ms <= self.now_ms for at_ms in (*known, *incident.also_by.values(), *incident.declined.values()))

    @invariant()
    def there_is_one_winner_and_no_more_than_are_needed(self) -> None:
        incident = self.world.incident
        standing = incident.standing
        assert len(set(standing)) == len(standing) <= incident.needed
        assert bool(standing) == (incident.state in TAKEN) or incident.state is State.RESOLVED
        assert not set(standing) & set(incident.declined)


AnIncidentWithAnswers.TestCase.settings = settings(max_examples=110, stateful_step_count=30, deadline=None)
TestAnIncidentWithAnswers = AnIncidentWithAnswers.TestCase
