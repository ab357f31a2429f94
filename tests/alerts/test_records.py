"""What is read from and written to the journals, on good days and on a full disk."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

import alerts
from alerts import actions, models
from alerts.lifecycle import Change, Incident, Outcome
from detectors.detection import pack_detection
from registry import ResponderEntry
from store.schema import MEASUREMENTS
from tests.alerts.story import START_MS, Story, telling
from tests.servers.sink import Sink


def test_each_transition_is_a_point(any_story: Story) -> None:
    """Two within one millisecond are two points, and severity, state and age stand in them."""
    story = any_story
    story.happens("fall")
    incident = story.incident().id
    story.now_ms += 5_000
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.TRUE)
    story.forward(1)
    points = story.reports("incident")
    states = [state for batch in points for state in batch.fields["state"]]
    assert states == ["open", "notifying", "acknowledged", "resolved"]
    times = [int(t) for batch in points for t in batch.t_ns]
    assert len(set(times)) == 4
    assert [t // 1_000_000 - START_MS for t in times] == [0, 0, 5_000, 5_000]
    last = points[-1]
    assert last.tags == {"person": ["wang"], "area": ["d.street.station"], "kind": ["fall"]}
    assert (last.fields["incident"], last.fields["severity"], last.fields["since_open_s"]) == (
        [incident], ["urgent"], [5.0],
    )  # fmt: skip


def test_the_state_of_the_areas_is_reported_every_minute(story: Story) -> None:
    """People, open incidents and who is on call, each of the area itself."""
    story.happens("fall")
    story.reports("area_state")
    for _ in range(3):
        story.forward(60)
    batches = story.reports("area_state")
    assert [int(batch.t_ns[0]) // 1_000_000 - START_MS for batch in batches] == [60_000, 120_000, 180_000]
    rows = {
        area: tuple(batches[-1].fields[name][i] for name in ("people", "open_incidents", "on_call"))
        for i, area in enumerate(batches[-1].tags["area"])
    }
    assert rows == {"d": (0, 0, 1), "d.street": (0, 0, 2), "d.street.empty": (1, 0, 0), "d.street.station": (1, 1, 2)}


@pytest.mark.parametrize("measurement", ["incident", "area_state"])
def test_reports_fit_the_schema_of_the_store(story: Story, measurement: str) -> None:
    """The writer would refuse a field or tag that the schema does not have."""
    story.happens("fall")
    batch = story.reports(measurement)[0]
    schema = MEASUREMENTS[measurement]
    assert set(batch.tags) <= set(schema.tags)
    strings = {name for name, column in batch.fields.items() if isinstance(column, list)}
    assert strings <= set(schema.strings)
    assert set(batch.fields) - strings <= set(schema.numbers)


def test_the_same_detections_again_change_nothing(any_story: Story) -> None:
    """The journal delivers again what was taken before the crash; so does another batch with the same finding."""
    story = any_story
    fall = story.happens("fall")
    story.happens("sos")
    timeline, messages = story.timeline(), story.told()
    story.restart()
    story.service._reader.seek(0)
    story.deliver(fall, fall)
    assert story.service.counts["duplicate"] == 4
    assert (story.timeline(), story.told()) == (timeline, [])
    assert messages == ["ann"]
    assert len(story.commands()) == 1


def test_what_is_no_detection_is_written_down_and_the_rest_goes_on(story: Story) -> None:
    """Neither fatal nor silent."""
    story._detections.append([b"\xc1rubbish", pack_detection(story.detection("fall")), b""])
    story._detections.commit()
    story.settle()
    assert story.told() == ["ann"]
    with story.engine.connect() as connection:
        rows = connection.execute(select(models.audit.c.data).where(models.audit.c.what == "record_refused")).scalars()
        heads = [row["head"] for row in rows]
    assert heads == [b"\xc1rubbish".hex(), ""]
    assert story.service.counts["refused"] == 2


def test_a_detection_that_we_cannot_handle_does_not_stop_the_others(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours is written to the audit; nothing of that detection is left half done."""
    from alerts import intake

    write = intake._write_evidence

    def broken(connection: object, detection: object, *rest: object) -> None:
        if getattr(detection, "device", "") == "w-wang":
            raise KeyError("a defect")
        write(connection, detection, *rest)

    monkeypatch.setattr(intake, "_write_evidence", broken)
    story.deliver(story.detection("fall"), story.detection("fall", device="w-zhao", person="zhao"))
    assert story.told() == ["chen"]
    assert story.service.counts["refused"] == 1


def test_a_timer_that_we_cannot_handle_is_tried_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours about one incident leaves the timers of the others alone."""
    from alerts import timers

    fired = timers._fired
    broken = True

    def sometimes(connection: Any, incident: Incident, *rest: Any) -> Change | None:
        if incident.person == "wang" and broken:
            raise KeyError("a defect")
        return fired(connection, incident, *rest)

    monkeypatch.setattr(timers, "_fired", sometimes)
    story.deliver(story.detection("fall"), story.detection("fall", device="w-zhao", person="zhao"))
    assert sorted(story.told()) == ["ann", "chen"]
    story.forward(30)
    assert story.told() == ["desk"]
    broken = False
    story.forward(10)
    assert story.told() == ["bob"]


def test_a_message_that_we_cannot_write_is_given_up_by_name(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours in one responder's message: the next responder is called at once."""
    from alerts import claiming

    write = claiming.webhook_body

    def broken(incident: Incident, responder: ResponderEntry, *rest: Any) -> bytes:
        if responder.id == "ann":
            raise KeyError("a defect")
        return write(incident, responder, *rest)

    monkeypatch.setattr(claiming, "webhook_body", broken)
    story.happens("fall")
    assert story.told() == ["bob"]
    assert [each.reason for each in story.detail().notifications if each.responder == "ann"] == ["internal"]


def test_numbers_that_json_does_not_have_are_left_out(any_story: Story) -> None:
    """PostgreSQL refuses NaN in JSON."""
    any_story.happens("fall", score=math.nan, features={"a": math.nan, "b": math.inf, "c": 1.0})
    assert any_story.incident().evidence[0].features == {"c": 1.0}


def test_a_database_that_refuses_for_a_while_loses_nothing(story: Story) -> None:
    """Locked, or its disk full: the step fails as a whole, and the next one does it all."""
    refuse = True

    def fail(*_: object) -> None:
        if refuse:
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(story.engine, "commit", fail)
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    for _ in range(3):
        with pytest.raises(OperationalError):
            story.service.step(story.now_ms)
    assert story.told() == []
    refuse = False
    story.settle()
    assert story.told() == ["ann"]
    assert story.news() == []


def test_the_service_waits_out_a_lock_held_by_somebody_else(
    sqlite_registry: Engine, tmp_path: Path, sink: Sink
) -> None:
    """The busy timeout runs out, the loop goes on, and the SOS is told once the lock is gone."""
    import threading

    import registry

    impatient = registry.create_engine(str(sqlite_registry.url), busy_timeout_s=0.05)
    alerts.upgrade(impatient)
    with telling(impatient, tmp_path, sink) as story:
        stop = threading.Event()
        thread = threading.Thread(target=story.service.run, args=(stop,))
        with registry.writing(sqlite_registry):
            thread.start()
            story._detections.append([pack_detection(story.detection("sos"))])
            story._detections.commit()
            threading.Event().wait(0.4)
            assert story.told() == []
        sink.wait_for(1)
        stop.set()
        thread.join()
        assert story.service.counts["database_retry"] >= 1


@pytest.fixture
def cramped(sqlite_registry: Engine, tmp_path: Path, sink: Sink, small_disk: Path) -> Iterator[tuple[Story, Path]]:
    """A story whose journal `commands` and `reports` lie on a small disk of their own, and the file that fills it."""
    for name in ("commands", "reports"):
        (small_disk / name).mkdir()
        (tmp_path / "journal").mkdir(exist_ok=True)
        (tmp_path / "journal" / name).symlink_to(small_disk / name)
    with telling(sqlite_registry, tmp_path, sink) as told:
        yield told, small_disk / "filler"


def fill(file: Path) -> None:
    """Write until there is no room for another block."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while out.write(bytes(size)) == size:
                    pass


def test_on_a_full_disk_commands_and_reports_wait_in_the_outbox(cramped: tuple[Story, Path]) -> None:
    """The call goes out all the same; once there is room everything arrives, in order."""
    story, filler = cramped
    story.settle()
    story.commands()
    fill(filler)
    story.deliver(*(story.detection("fall", device=f"x{n}", person=None) for n in range(80)))
    told = story.told()
    if len(told) < 80:  # on a busy machine a send may have to be tried again
        story.forward(10)
    assert len(told + story.told()) == 80
    assert story.service._mover.full
    seen = len(story.commands())
    assert seen < 80
    filler.unlink()
    story.forward(60)
    assert seen + len(story.commands()) == 80
    assert not story.service._mover.full


def test_the_tables_are_those_that_the_migrations_make(registry_engine: Engine) -> None:
    """A column added to the models without a migration would show here."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    alerts.upgrade(registry_engine)
    ours = set(models.metadata.tables)
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or name in ours,
    }
    with registry_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, models.metadata) == []
