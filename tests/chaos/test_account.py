"""The account of a chaos run: each broken promise is found, and what is no breach is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from detectors.detection import detection_id
from firmware_sim.truth import Press
from tests.chaos.account import Account, Delivery, Evidence, Finding, Frame, Reported, Sent, settle

NOW = 1_800_000_000_000
PRESS = Press(device="button-1", person="p-1", boot=3, seq=0, pressed_ms=NOW + 5_000, acked_ms=NOW + 6_000)
FALL = Finding("wrist-1", NOW + 20_000)
POINT = ("motion", (("device", "wrist-1"),), NOW * 1_000_000)
SECONDS = 40
CALL = (0, 0, False)


def digest(k: int) -> bytes:
    """The name of frame number ``k``."""
    return k.to_bytes(16, "big")


def kept() -> Evidence:
    """A run in which every promise was kept: forty frames, a fall, a call, a point."""
    sent = {digest(k): Sent(("wrist-1", "motion", 9, k), NOW + k * 1000 + 1100) for k in range(SECONDS)}
    pressed = b"p" * 16
    sent[pressed] = Sent(("button-1", "event", PRESS.boot, PRESS.seq), NOW + 5_100)
    acked = {one: (said.taken_ms or 0) + 50 for one, said in sent.items()}
    sos = detection_id(PRESS.device, "event", PRESS.boot, PRESS.seq)
    return Evidence(
        sent=sent,
        acked=acked,
        journaled=set(acked),
        published={one.key for one in sent.values()},
        presses=[PRESS],
        falls=[FALL],
        frames={"wrist-1": [Frame(NOW + k * 1000, digest(k)) for k in range(SECONDS)]},
        reported=[
            Reported("i-sos", "sos", "button-1", sos, NOW + 5_000),
            Reported("i-fall", "fall", "wrist-1", "d-fall", NOW + 20_300),
        ],
        deliveries=[
            Delivery("n-sos", "i-sos", CALL, NOW + 5_600, is_repeat=False),
            Delivery("n-fall", "i-fall", CALL, NOW + 24_000, is_repeat=False),
        ],
        expected={POINT: {"enmo_g": 0.5}},
        built={POINT: {"enmo_g": 0.5, "steps": 3.0}},
        stored={POINT: {"enmo_g": 0.5, "steps": 3.0}},
    )


def test_a_run_without_a_breach_has_an_account_without_a_failure() -> None:
    """And its figures are those of the run."""
    account = settle(kept())
    assert account.failures == []
    assert account == Account(
        messages_sent=41, messages_taken=41, messages_acked=41, sos_made=1, falls_undisturbed=1, falls_whole=1,
        incidents=2, notifications=2, points_expected=1, points_built=1,
    )  # fmt: skip


def lose_from_journal(seen: Evidence) -> None:
    seen.journaled.remove(digest(7))


def lose_what_was_never_seen_sent(seen: Evidence) -> None:
    seen.acked[b"w" * 16] = NOW  # a will


def refuse(seen: Evidence) -> None:
    seen.refused = ["internal: KeyError"]


def never_have(seen: Evidence, k: int) -> None:
    del seen.acked[digest(k)]
    seen.journaled.remove(digest(k))


def lose_at_the_broker_without_a_kill(seen: Evidence) -> None:
    never_have(seen, 35)


def lose_long_before_a_kill(seen: Evidence) -> None:
    never_have(seen, 0)
    seen.broker_kills_ms = [NOW + 15_000]


def lose_after_the_kill(seen: Evidence) -> None:
    never_have(seen, 35)
    seen.broker_kills_ms = [NOW + 30_000]


def take_without_a_packet(seen: Evidence) -> None:
    seen.published.add(("wrist-9", "motion", 1, 1))


def take_only_by_the_devices_word(seen: Evidence) -> None:
    seen.sent[digest(1)] = replace(seen.sent[digest(1)], taken_ms=None)
    del seen.acked[digest(1)]


def forget_the_call(seen: Evidence) -> None:
    seen.reported = [one for one in seen.reported if one.kind != "sos"]


def keep_the_call_to_oneself(seen: Evidence) -> None:
    seen.deliveries = [one for one in seen.deliveries if one.incident != "i-sos"]


def take_another_call_for_it(seen: Evidence) -> None:
    seen.reported = [replace(one, detection="of another press") if one.kind == "sos" else one for one in seen.reported]


def forget_the_fall(seen: Evidence) -> None:
    seen.reported = [one for one in seen.reported if one.kind != "fall"]


def keep_the_fall_to_oneself(seen: Evidence) -> None:
    seen.deliveries = [one for one in seen.deliveries if one.incident != "i-fall"]


def find_another_fall(seen: Evidence) -> None:
    seen.reported = [replace(one, onset_ms=NOW + 30_000) if one.kind == "fall" else one for one in seen.reported]


def tell_twice(seen: Evidence) -> None:
    seen.deliveries = [*seen.deliveries, Delivery("n-sos", "i-sos", CALL, NOW + 7_000, is_repeat=False)]


def repeat_though_nobody_died(seen: Evidence) -> None:
    seen.deliveries = [*seen.deliveries, Delivery("n-sos", "i-sos", CALL, NOW + 7_000, is_repeat=True)]
    seen.alerts_kills_ms = [NOW + 1_000, NOW + 9_000]


def repeat_without_saying_so(seen: Evidence) -> None:
    seen.deliveries = [*seen.deliveries, Delivery("n-sos", "i-sos", CALL, NOW + 7_000, is_repeat=False)]
    seen.alerts_kills_ms = [NOW + 6_000]


def tell_under_another_id(seen: Evidence) -> None:
    seen.deliveries = [*seen.deliveries, Delivery("n-more", "i-sos", CALL, NOW + 7_000, is_repeat=False)]


def open_two_incidents(seen: Evidence) -> None:
    seen.reported = [*seen.reported, Reported("i-again", "fall", "wrist-1", "d-late", NOW + 19_000)]


def forge(seen: Evidence) -> None:
    seen.deliveries = [replace(one, is_genuine=False) for one in seen.deliveries]


def lose_a_point(seen: Evidence) -> None:
    seen.stored = {}


def lose_a_field(seen: Evidence) -> None:
    seen.stored = {POINT: {"enmo_g": 0.5}}


def lack_samples(seen: Evidence) -> None:
    seen.stored = {POINT: {"enmo_g": 0.45, "steps": 3.0}}
    seen.built = seen.stored  # the same wrong value everywhere: only the messages themselves tell


def invent_a_point(seen: Evidence) -> None:
    seen.stored = {**seen.stored, (*POINT[:2], POINT[2] + 10_000_000_000): {"enmo_g": 0.5}}


BREACHES: dict[Callable[[Evidence], None], str] = {
    lose_from_journal: "lost_of_acked",
    lose_what_was_never_seen_sent: "lost_of_acked",
    refuse: "refused",
    lose_at_the_broker_without_a_kill: "lost_unexplained",
    lose_long_before_a_kill: "lost_unexplained",
    lose_after_the_kill: "lost_unexplained",
    take_without_a_packet: "",
    take_only_by_the_devices_word: "",
    forget_the_call: "sos_lost",
    keep_the_call_to_oneself: "sos_lost",
    take_another_call_for_it: "sos_lost",
    forget_the_fall: "falls_lost",
    keep_the_fall_to_oneself: "falls_lost",
    find_another_fall: "falls_lost",
    tell_twice: "duplicate_notifications",
    repeat_though_nobody_died: "duplicate_notifications",
    repeat_without_saying_so: "duplicate_notifications",
    tell_under_another_id: "duplicate_notifications",
    open_two_incidents: "duplicate_notifications",
    forge: "",
    lose_a_point: "points_missing",
    lose_a_field: "points_wrong",
    lack_samples: "points_wrong",
    invent_a_point: "points_of_nothing",
}


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.__name__)
def test_a_broken_promise_is_a_failure(breach: Callable[[Evidence], None]) -> None:
    """One made-up case each; where there is a figure for it, it counts."""
    seen = kept()
    breach(seen)
    account = settle(seen)
    assert len(account.failures) == 1, account.failures
    figure = BREACHES[breach]
    if figure:
        assert getattr(account, figure) >= 1


def test_what_the_broker_lost_when_it_was_killed_stands_apart() -> None:
    """Two frames that it had taken within the last seconds, and with them a fall that nobody can find."""
    seen = kept()
    for k in (19, 20):
        never_have(seen, k)
    seen.broker_kills_ms = [NOW + 1_000, NOW + 22_000]
    seen.reported = [one for one in seen.reported if one.kind != "fall"]
    account = settle(seen)
    assert account.failures == []
    assert (account.lost_by_broker, account.lost_by_broker_what) == (2, {"motion": 2})
    assert account.lost_by_broker_oldest_s == pytest.approx(1.9)
    assert (account.falls_undisturbed, account.falls_whole, account.falls_lost) == (1, 0, 0)


def test_what_is_journaled_and_lacks_only_the_acknowledgement_is_not_lost() -> None:
    """The gateway was killed between its commit and its acknowledgement, and the broker has forgotten it."""
    seen = kept()
    del seen.acked[digest(20)]
    account = settle(seen)
    assert account.failures == []
    assert (account.kept_unacknowledged, account.lost_by_broker, account.falls_whole) == (1, 0, 1)
    forget_the_fall(seen)
    assert settle(seen).falls_lost == 1


def test_a_call_that_the_broker_lost_must_arrive_all_the_same() -> None:
    """The device repeats it until the gateway's answer."""
    seen = kept()
    del seen.acked[b"p" * 16]
    seen.journaled.remove(b"p" * 16)
    seen.broker_kills_ms = [NOW + 5_200]
    assert settle(seen).failures == []
    forget_the_call(seen)
    assert settle(seen).sos_lost == 1


def test_what_was_on_its_way_when_alerts_was_killed_may_come_again_and_says_so() -> None:
    """Under the same id, marked as a repeat: a receiver knows it for the same."""
    seen = kept()
    seen.deliveries = [*seen.deliveries, Delivery("n-sos", "i-sos", CALL, NOW + 9_000, is_repeat=True)]
    seen.alerts_kills_ms = [NOW + 5_700]
    account = settle(seen)
    assert account.failures == []
    assert (account.repeated_after_kill, account.duplicate_notifications) == (1, 0)


def test_the_next_step_of_an_incident_is_another_notification() -> None:
    """A fall whose wearer does not move calls the next one: that is no second telling."""
    seen = kept()
    seen.deliveries = [*seen.deliveries, Delivery("n-next", "i-fall", (0, 1, False), NOW + 80_000, is_repeat=False)]
    assert settle(seen).failures == []


def test_an_incident_of_nothing_is_counted_by_kind() -> None:
    """It is no broken promise of this run, and it is worth a look."""
    seen = kept()
    seen.reported = [*seen.reported, Reported("i-more", "fall", "waist-2", "d-more", NOW)]
    account = settle(seen)
    assert account.failures == []
    assert account.incidents_of_nothing == {"fall": 1}
