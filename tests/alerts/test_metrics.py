"""Why messages were sent and not sent, as points of the store."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from alerts import actions
from alerts.counting import EVERY_MS, Counted, count_reasons
from alerts.lifecycle import Note, What
from alerts.service import AlertService
from alerts.writing import write_audit
from registry import writing
from store import open_store
from tests.alerts.story import SETTINGS, Story
from tests.servers.sink import Answer

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def totals(story: Story) -> Counter[str]:
    """The sums of all fields of the `pipeline` points since this was asked last."""
    sums: Counter[str] = Counter()
    for batch in story.reports("pipeline"):
        assert batch.tags["stage"] == ["alerts"]
        sums.update({name: float(column[0]) for name, column in batch.fields.items() if not math.isnan(column[0])})
    return sums


def later(story: Story) -> None:
    """Let the next point be made."""
    story.now_ms += EVERY_MS
    story.settle()


def test_every_send_and_non_send_is_counted_in_the_store_by_its_reason(any_story: Story) -> None:
    """Delivered, refused, dropped by an acknowledgement in the console; each once, whatever comes between."""
    story = any_story
    story.settle()
    story.sink.answers["ann"].append(Answer(status=410))
    story.sink.answers["bob"].append(Answer(status=500))
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "chen", story.now_ms)
    story.settle()
    later(story)
    first = totals(story)
    assert first["not_sent_gone"] == 1
    assert first["not_sent_acknowledged"] == 1
    assert first["gone"] == first["server_error"] == first["opened"] == 1
    later(story)
    assert all(count == 0 for name, count in totals(story).items() if name.startswith(("sent", "not_sent")))
    story.happens("sos", person=None, device="spare")
    later(story)
    assert totals(story)["sent_delivered"] == 1


def test_what_was_counted_and_not_told_is_told_after_a_restart(story: Story) -> None:
    """The sums over time are totals also when the process is killed between the two."""
    story.settle()
    story.happens("fall")
    story.restart()
    story.settle()
    later(story)
    assert totals(story)["sent_delivered"] == 1
    story.restart()
    story.settle()
    later(story)
    assert totals(story)["sent_delivered"] == 0


def test_the_store_takes_the_points(story: Story, tmp_path: Path) -> None:
    """Names of fields as they must be, a number each."""
    story.settle()
    story.happens("fall")
    later(story)
    first, second = story.reports("pipeline")
    with closing(open_store(f"sqlite:///{tmp_path / 'points.db'}")) as store:
        assert store.write(first) == store.write(second) == []
    assert {"sent_delivered", "opened", "delivered", "in_flight", "lag_bytes"} <= set(second.fields)


@on_postgresql
def test_two_processes_on_one_host_write_points_of_their_own(any_story: Story) -> None:
    """The same series and period, and yet two points: one does not overwrite the other."""
    story = any_story
    with closing(AlertService(story.engine, None, SETTINGS, clock=lambda: story.now_ms)) as other:
        other.step(story.now_ms)
        story.settle()
        batches = story.reports("pipeline")
    assert len({int(batch.t_ns[0]) for batch in batches}) == len(batches) == 2
    assert len({int(batch.t_ns[0]) // 1_000_000 for batch in batches}) == 1


@on_postgresql
def test_a_row_that_is_committed_after_a_later_one_is_counted_too(any_story: Story) -> None:
    """PostgreSQL gives numbers before commits: who looks in between must come back for the lower one."""
    story = any_story
    note = Note(What.SENT, "system", {"reason": "delivered"})
    with story.engine.connect() as early, writing(story.engine) as late:
        write_audit(early, note, story.now_ms, incident=None)
        write_audit(late, note, story.now_ms, incident=None)
        late.commit()
        with story.engine.connect() as reader:
            counted, counts = count_reasons(reader, Counted(0), story.now_ms)
        assert counts["sent:delivered"] == 1
        early.commit()
    with story.engine.connect() as reader:
        counted, counts = count_reasons(reader, counted, story.now_ms)
        assert counts["sent:delivered"] == 1
        assert count_reasons(reader, counted, story.now_ms)[1] == Counter()
