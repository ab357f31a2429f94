"""A storm: many incidents within seconds, each told in time, the most urgent first, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.backlog import Backlog, most_urgent_first
from bench.alerts_storm import Storm, detection, storm
from detectors.detection import Severity, pack_detection
from journal import JournalReader, JournalWriter
from tests.alerts.story import Story, replace_struct


@pytest.mark.heavy
def test_every_incident_of_a_storm_is_told_within_ten_seconds(database_url: str, tmp_path: Path) -> None:
    """At the rate of 2,000 in a minute, through the journal to a real server."""
    told: Storm = storm(database_url, tmp_path, 200, 6.0)
    assert told.delivered == 200
    assert told.doubled == told.repeats == told.late == 0
    assert told.max_s < 10
    assert told.rss_growth_mb < 60


def test_in_a_queue_the_most_urgent_are_called_first(story: Story) -> None:
    """All at once, and one responder: SOS, then falls, then what is less."""
    kinds = [("vitals", Severity.WARNING), ("fall", Severity.URGENT), ("sos", Severity.CRITICAL)] * 8
    story.deliver(*(
        story.detection(kind, severity=severity, device=f"x{n}", person=None)
        for n, (kind, severity) in enumerate(kinds)
    ))  # fmt: skip
    severities = [message.data["severity"] for message in story.news()]
    assert severities == ["critical"] * 8 + ["urgent"] * 8 + ["warning"] * 8


def test_a_backlog_is_taken_by_urgency_and_each_person_in_order() -> None:
    """Who has the worst finding goes first with all that was found about them."""
    found = [
        replace_struct(detection(n, 1), {"id": name, "person": person, "severity": severity})
        for n, (name, person, severity) in enumerate([
            ("a1", "a", Severity.WARNING), ("b1", "b", Severity.URGENT), ("c1", None, Severity.INFO),
            ("a2", "a", Severity.CRITICAL), ("b2", "b", Severity.INFO), ("a3", "a", Severity.INFO),
        ])
    ]  # fmt: skip
    assert [one.id for one in most_urgent_first(found)] == ["a1", "a2", "a3", "b1", "b2", "c1"]


def test_the_offset_moves_on_when_all_that_was_read_is_taken(tmp_path: Path) -> None:
    """Until then a crash must give all of it again, as the order is another one."""
    with JournalWriter(tmp_path / "j", consumers=["alerts"], reserve_bytes=0) as writer:
        writer.append([pack_detection(detection(n, 1)) for n in range(80)])
        writer.append([b"\xc1 no detection"])
        writer.commit()
        with JournalReader(tmp_path / "j", "alerts") as reader:
            backlog = Backlog(reader)
            backlog.fill()
            detections, refused = backlog.next()
            assert (len(detections), len(refused)) == (64, 1)
            backlog.taken()
            assert reader.committed == 0
            backlog.fill()
            assert (len(backlog.next()[0]), backlog.next()[1]) == (16, [])
            backlog.taken()
            assert not backlog
            assert reader.committed == writer.position


def test_a_backlog_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much stays in the journal until the rest is taken."""
    monkeypatch.setattr("alerts.backlog._MOST_BYTES", 2_000)
    monkeypatch.setattr("alerts.backlog._READ_BYTES", 500)
    with JournalWriter(tmp_path / "j", consumers=["alerts"], reserve_bytes=0) as writer:
        for n in range(200):
            writer.append([pack_detection(detection(n, 1))])
        writer.commit()
        with JournalReader(tmp_path / "j", "alerts") as reader:
            backlog = Backlog(reader)
            seen: list[str] = []
            while True:
                backlog.fill()
                assert len(backlog._waiting) < 40
                if not backlog:
                    break
                seen += [one.id for one in backlog.next()[0]]
                backlog.taken()
    assert sorted(seen) == sorted(f"storm-{n}" for n in range(200))
