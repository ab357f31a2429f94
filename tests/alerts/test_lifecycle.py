"""The pure core under random sequences of what may happen: no state outside the table, nobody forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts import fusion, lifecycle
from alerts.calling import Round, call_again, call_next
from alerts.channels import channels_of
from alerts.errors import TransitionError
from alerts.known import Known, Rules, Subject
from alerts.lifecycle import NEXT, TAKEN, Call, Change, ClearTimer, Incident, Outcome, SetTimer, State, TimerKind
from alerts.policy import HISTORICAL, IMMEDIATE
from detectors.detection import Detection, Severity, Stage
from registry import ChannelEntry, ResponderEntry

RULES = Rules(policy=IMMEDIATE, historical=HISTORICAL, fuse_s=600, prompt_s=60)
WEBHOOK = ChannelEntry(type="webhook", url="http://x", secret="whsec_x")


def responder(key: str, *channels: ChannelEntry) -> ResponderEntry:
    """Somebody on call."""
    return ResponderEntry(id=key, name=key.title(), area="d", channels=channels)


ORDERS = [
    [],
    [responder("mute")],
    [responder("ann", WEBHOOK)],
    [responder("ann", WEBHOOK), responder("mute"), responder("bob", WEBHOOK)],
]


def finding(kind: str = "fall", severity: Severity = Severity.URGENT, at_ms: int = 0) -> Detection:
    """A confirmed finding."""
    return Detection(
        id="d1", stage=Stage.CONFIRMED, device="w", person="p", detector="fall", version="1", kind=kind,
        onset_ms=at_ms, decided_ms=at_ms, recv_ms=at_ms, severity=severity, score=1.0,
    )  # fmt: skip


@dataclass
class World:
    """An incident with its timers and calls, as the shell would keep them."""

    incident: Incident
    timers: dict[TimerKind, int] = field(default_factory=dict)
    called: list[Call] = field(default_factory=list)

    def apply(self, change: Change | None) -> None:
        """What the shell does with a change."""
        if change is None:
            return
        before = None if change.before is None else change.before.state
        for state in change.path:
            assert state is State.OPEN if before is None else state in NEXT[before]
            before = state
        assert before is change.after.state
        self.incident = change.after
        for effect in change.effects:
            if isinstance(effect, SetTimer):
                self.timers[effect.kind] = effect.due_ms
            elif isinstance(effect, ClearTimer):
                self.timers.pop(effect.kind, None)
            elif isinstance(effect, Call):
                self.called.append(effect)

    def told(self) -> frozenset[str]:
        """Who was called in this round."""
        return frozenset(call.responder for call in self.called if call.round == self.incident.round)


class AnIncident(RuleBasedStateMachine):
    """Everything that can happen to an incident, in any order, at any time."""

    @initialize(order=st.sampled_from(ORDERS))
    def opened(self, order: list[ResponderEntry]) -> None:
        self.now_ms = 0
        self.order = order
        subject = Subject("p", "w", "d", desk=False)
        taken = fusion.take(finding(), subject, Known(None, None, False, Round(order)), RULES, 0)
        assert taken.change is not None
        self.world = World(taken.change.after)
        self.world.apply(taken.change)

    @rule(order=st.sampled_from(ORDERS))
    def the_roster_changes(self, order: list[ResponderEntry]) -> None:
        self.order = order

    @rule(seconds=st.integers(0, 2_000))
    def time_passes(self, seconds: int) -> None:
        end_ms = self.now_ms + seconds * 1000
        while due := [(ms, kind) for kind, ms in self.world.timers.items() if ms <= end_ms]:
            at_ms, kind = min(due)
            assert at_ms >= self.now_ms, "a timer in the past"
            self.now_ms = at_ms
            del self.world.timers[kind]
            self.fire(kind)
        self.now_ms = end_ms

    def fire(self, kind: TimerKind) -> None:
        incident = self.world.incident
        if kind is TimerKind.CALL and incident.state in (State.OPEN, State.NOTIFYING):
            self.world.apply(call_next(incident, Round(self.order, self.world.told()), self.now_ms))
        if kind is TimerKind.ARRIVAL and incident.state in (State.ACKNOWLEDGED, State.EN_ROUTE):
            again = lifecycle.not_arrived(incident)
            self.world.apply(again.then(call_next(again.after, Round(self.order), self.now_ms)))

    @rule(name=st.sampled_from(["acknowledge", "en_route", "on_scene"]), who=st.sampled_from(["ann", "bob", "desk"]))
    def somebody_acts(self, name: str, who: str) -> None:
        before = self.world.incident
        answer, change = getattr(lifecycle, name)(before, who, self.now_ms, via="test")
        assert (change is not None) == (answer is lifecycle.Answer.DONE)
        self.world.apply(change)
        if before.state in TAKEN:
            assert self.world.incident.acknowledged_by == before.acknowledged_by

    @rule(kind=st.sampled_from(["fall", "sos"]), severity=st.sampled_from(list(Severity)[1:]))
    def more_is_found(self, kind: str, severity: Severity) -> None:
        known = Known(self.world.incident, None, False, Round(self.order, self.world.told()))
        detection = finding(kind, severity, self.now_ms)
        taken = fusion.take(detection, Subject("p", "w", "d", desk=False), known, RULES, self.now_ms)
        self.world.apply(taken.change)

    @rule(settles=st.booleans())
    def the_wearer_cancels(self, settles: bool) -> None:
        self.world.apply(lifecycle.cancel_by_wearer(self.world.incident, self.now_ms, prompt="p1", settles=settles))

    @precondition(lambda self: self.world.incident.state is not State.RESOLVED)
    @rule(rare=st.integers(0, 3))
    def it_is_resolved(self, rare: int) -> None:
        if rare == 0:
            self.world.apply(
                lifecycle.resolve(self.world.incident, "ann", self.now_ms, outcome=Outcome.TRUE, via="test")[1]
            )

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Not taken: a call is due. Taken: an arrival is due. On scene or resolved: nothing is."""
        expected = {
            State.OPEN: {TimerKind.CALL},
            State.NOTIFYING: {TimerKind.CALL},
            State.ACKNOWLEDGED: {TimerKind.ARRIVAL},
            State.EN_ROUTE: {TimerKind.ARRIVAL},
            State.ON_SCENE: set(),
            State.RESOLVED: set(),
        }
        assert set(self.world.timers) == expected[self.world.incident.state]

    @invariant()
    def no_call_has_the_key_of_another(self) -> None:
        keys = [(call.round, call.step, call.responder, channel) for call in self.world.called
                for channel in call.channels or ("none",)]  # fmt: skip
        assert len(set(keys)) == len(keys)


AnIncident.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestAnIncident = AnIncident.TestCase


def test_a_transition_outside_the_table_is_an_error_that_names_it() -> None:
    """The core asks first; a caller that does not learns of it."""
    taken = fusion.take(finding(), Subject("p", "w", "d", desk=False), Known(None, None, False, Round(())), RULES, 0)
    assert taken.change is not None
    resolved = lifecycle.move(taken.change.after, State.RESOLVED)
    with pytest.raises(TransitionError, match="from resolved to open"):
        lifecycle.move(resolved, State.OPEN)


def test_channels_of_one_type_are_numbered() -> None:
    """Each has a key of its own."""
    console = ChannelEntry(type="console")
    assert list(channels_of(responder("r", WEBHOOK, console, WEBHOOK))) == ["webhook", "console", "webhook-2"]


def test_telling_anew_reaches_nobody_when_nobody_has_a_channel() -> None:
    """And says so."""
    taken = fusion.take(finding(), Subject("p", "w", "d", desk=False), Known(None, None, False, Round(())), RULES, 0)
    assert taken.change is not None
    change = call_again(taken.change.after, Round([responder("mute")]), 0)
    (note,) = change.effects
    assert isinstance(note, lifecycle.Note)
    assert note.data["reason"] == "nobody_on_call"
