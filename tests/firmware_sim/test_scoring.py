"""What a system made of a run: every kind, in time, late or delayed, and the quarantine."""

from __future__ import annotations

import pytest

from firmware_sim.scoring import Found, KindScore, match
from firmware_sim.scoring_quarantine import Quarantined
from firmware_sim.truth import Fall, Happening, Press, Spoiled, Truth

T = 1_790_000_000_000


def truth(**parts: object) -> Truth:
    """A run of ten minutes."""
    run = {"scenario": "t", "source": "synthetic", "seed": 1, "start_ms": T, "end_ms": T + 600_000, "devices": 3}
    return Truth(**run, **({"falls": [], "sos": [], "published": []} | parts))


def happening(kind: str, begin_s: float, due_s: float | None, **other: object) -> Happening:
    """Something else, seconds into the run."""
    due_ms = None if due_s is None else T + int(due_s * 1000)
    return Happening(**{"kind": kind, "begin_ms": T + int(begin_s * 1000), "due_ms": due_ms, "person": "p-1", **other})


def found(kind: str, onset_s: float, known_s: float | None = None, **other: object) -> Found:
    """A finding about p-1, seconds into the run."""
    known_ms = None if known_s is None else T + int(known_s * 1000)
    return Found(
        **{"kind": kind, "person": "p-1", "onset_ms": T + int(onset_s * 1000), "detected_ms": known_ms, **other}
    )


def of_kind(kind: str, happened: Truth, reported: list[Found]) -> KindScore:
    """The row of a kind."""
    return next(row for row in match(happened, reported).kinds if row.kind == kind)


FALL = Fall(device="w-1", person="p-1", impact_ms=T + 10_000, motion="x")
PRESS = Press(device="b-1", person="p-1", boot=1, seq=0, pressed_ms=T + 10_000)


@pytest.mark.parametrize(
    ("kind", "report", "counts"),
    [
        ("fall", found("fall", 10, 20.0), (1, 0, 0)),
        ("fall", found("fall", 10, 20.1), (1, 1, 0)),
        ("fall", found("fall", 10, 99, historical=True), (1, 0, 1)),
        ("fall", found("fall", 10, 21, recv_ms=T + 20_001), (1, 0, 1)),
        ("fall", found("fall", 10, 21, recv_ms=T + 13_000), (1, 1, 0)),
        ("sos", found("sos", 10, 15.0), (1, 0, 0)),
        ("sos", found("sos", 10, 15.1, recv_ms=T + 15_090), (1, 0, 1)),
        ("sepsis", found("sepsis", 300, 400), (1, 0, 0)),
        ("sepsis", found("sepsis", 300, 401), (1, 1, 0)),
        ("sepsis", found("sepsis", 90, 90), (0, 0, 0)),
        ("sepsis", found("sepsis", 90, 120), (1, 0, 0)),
        ("sepsis", found("sepsis", 90, 120, historical=True), (0, 0, 0)),
        ("sepsis", found("sepsis", 561, 562), (0, 0, 0)),
        ("sepsis", found("sepsis", 300, 310, person="p-2"), (0, 0, 0)),
    ],
)
def test_found_late_and_delayed(kind: str, report: Found, counts: tuple[int, int, int]) -> None:
    """Late is after the limit or due time; delayed is what the system could not have known in time."""
    sepsis = happening("sepsis", 100, 400, end_ms=T + 500_000)
    row = of_kind(kind, truth(falls=[FALL], sos=[PRESS], happenings=[sepsis]), [report])
    assert (row.found, row.late, row.delayed) == counts
    assert row.happened == row.found + row.missed == 1
    assert row.false == 1 - row.found


def test_a_delayed_finding_is_left_out_of_the_latencies() -> None:
    """The figures are the system's; a buffer of ten minutes is not."""
    other = Fall(device="w-2", person="p-2", impact_ms=T + 20_000, motion="x")
    reports = [found("fall", 10, 13, notified_ms=T + 14_000), found("fall", 20, 590, person="p-2", historical=True)]
    row = of_kind("fall", truth(falls=[FALL, other]), reports)
    assert (row.found, row.delayed) == (2, 1)
    assert (row.to_detected_s.max, row.to_notified_s.max) == (3.0, 4.0)


def test_one_incident_is_one_alarm_however_much_evidence_it_has() -> None:
    """Of a fall: a second device's evidence joins; another incident is a duplicate. Of nothing: one false alarm."""
    reports = [
        found("fall", 10, 12, incident="a"),
        found("fall", 10.5, 12, incident="a", device="w-9"),
        found("fall", 50, 52, incident="a"),  # beyond the fall, within its incident
        found("fall", 11, 13, incident="b"),
        found("fall", 100, 102, incident="c"),
        found("fall", 104, 106, incident="c"),
    ]
    score = match(truth(falls=[FALL]), reports)
    (row,) = [row for row in score.kinds if row.kind == "fall"]
    assert (row.found, row.duplicate, row.false) == (1, 1, 1)
    assert [one.incident for one in (*score.duplicates, *score.false_alarms)] == ["b", "c"]


def test_what_explains_is_not_due_and_what_is_noted_is_no_alarm() -> None:
    """Without a due time nothing is missed; a finding that opened no incident calls nobody."""
    happened = truth(happenings=[happening("offline", 60, None, end_ms=T + 120_000)])
    reports = [
        found("offline", 60, 300),
        found("offline", 400, 401, alarm=False),
        found("clock", 10, 10, alarm=False),
        found("hr_high", 10, 10),
    ]
    score = match(happened, reports)
    rows = {row.kind: row for row in score.kinds}
    assert (rows["offline"].happened, rows["offline"].explained, rows["offline"].noted) == (0, 1, 1)
    assert (rows["clock"].false, rows["hr_high"].false) == (0, 1)
    assert [one.kind for one in score.false_others] == ["hr_high"]
    assert score.false_alarms == []
    assert score.is_complete


def test_an_area_is_found_whoever_names_it() -> None:
    """A happening of no device and no person is about a place."""
    cut = happening("area_offline", 60, 400, person=None)
    assert of_kind("area_offline", truth(happenings=[cut]), [found("area_offline", 58, 250, person=None)]).found == 1


def test_spoiled_messages_are_due_in_the_quarantine_each_with_its_reason() -> None:
    """Each takes one entry of its own payload, its own device's first; what came twice needs no explanation."""

    def spoiled(device: str, sha: str, reason: str) -> Spoiled:
        return Spoiled(device=device, stream="motion", at_ms=T, reason=reason, sha256=sha, fault="bad")

    due = [
        spoiled("w-1", "aa", "undecodable"),
        spoiled("w-2", "aa", "undecodable"),
        spoiled("w-1", "bb", "not_finite"),
        spoiled("w-1", "cc", "invalid"),
        spoiled("w-1", "dd", "bad_topic"),
    ]
    entries = [
        Quarantined(device="w-2", sha256="aa", reason="undecodable"),
        Quarantined(device="w-1", sha256="bb", reason="invalid"),
        Quarantined(device="w-1", sha256="cc", reason="invalid"),
        Quarantined(device="w-1", sha256="cc", reason="invalid"),
        Quarantined(device=None, sha256="dd", reason="bad_topic"),
        Quarantined(device="w-1", sha256="ee", reason="conflict"),
    ]
    score = match(truth(spoiled=due), [], entries)
    assert score.quarantine is not None
    assert (score.quarantine.due, score.quarantine.right) == (5, 3)
    assert [one.device for one in score.quarantine.missing] == ["w-1"]
    assert [(one.sha256, reason) for one, reason in score.quarantine.wrong] == [("bb", "invalid")]
    assert [one.sha256 for one in score.quarantine.unexplained] == ["ee"]
    assert not score.is_complete
    assert match(truth(spoiled=due), []).quarantine is None
