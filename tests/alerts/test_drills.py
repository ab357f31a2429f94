"""Test calls: the whole way of an alarm, to the test channel and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

import registry
from alerts.lifecycle import Outcome, State
from tests.alerts.story import Story
from tests.servers.sink import SECRET, Answer

DEVICES = "- {id: probe-1, kind: test}\n- {id: b-test, person: wang, kind: test}\n"
RESPONDERS = """\
- {{id: probe, name: Probe, area: d, roles: [test], channels: [{{type: webhook, url: "{url}probe", secret: {secret}}}]}}
- {{id: zz, name: Second, area: d, roles: [test], languages: [zh],
   channels: [{{type: webhook, url: "{url}zz", secret: {secret}}}]}}
"""


@pytest.fixture
def drilled(any_story: Story, tmp_path: Path) -> Story:
    """A district with test devices and two test channels."""
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "devices.yaml").write_text(DEVICES)
    (folder / "responders.yaml").write_text(RESPONDERS.format(url=any_story.sink.url(""), secret=SECRET))
    assert registry.import_folder(any_story.engine, folder).applied
    return any_story


def test_a_test_reaches_the_test_channel_says_so_and_is_over(drilled: Story) -> None:
    """One message, to the test channel; called a test; closed as one; nobody is called later."""
    story = drilled
    story.happens("sos", device="probe-1", person=None)
    (message,) = story.news()
    assert message.path == "/probe"
    assert message.data["kind"] == "test"
    said = "Test by the device probe-1, at 13:59. Nobody is in danger, nobody needs to go."
    assert message.data["sentence"] == said
    incident = story.incident()
    assert (incident.kind, incident.state, incident.outcome, incident.desk) == (
        "test", State.RESOLVED, Outcome.TEST, False,
    )  # fmt: skip
    story.forward(3600)
    assert story.told() == []
    assert story.timeline() == ["opened", "called", "sent", "resolved"]
    assert {kind for batch in story.reports("incident") for kind in batch.tags["kind"]} == {"test"}


def test_a_test_device_of_a_person_alarms_nobody_and_joins_no_emergency(drilled: Story) -> None:
    """Her own emergency stays apart, before and after."""
    story = drilled
    story.happens("fall")
    assert story.told() == ["ann"]
    story.happens("sos", device="b-test")
    assert story.told() == ["probe"]
    kinds = {incident.kind: incident for incident in story.incidents()}
    assert (kinds["fall"].state, len(kinds["fall"].evidence)) == (State.NOTIFYING, 1)
    assert kinds["test"].person_key is None


def test_each_test_is_one_of_its_own(drilled: Story) -> None:
    """One that nobody received does not swallow the next."""
    story = drilled
    story.sink.default["probe"] = Answer(status=500)
    story.happens("sos", device="probe-1", person=None)
    story.forward(20)
    story.sink.default.pop("probe")
    story.news()
    story.happens("sos", device="probe-1", person=None)
    assert "probe" in story.told()
    assert len(story.incidents()) == 2


def test_a_test_that_nobody_receives_is_closed_by_the_clock(drilled: Story) -> None:
    """After the last of the test channels had its two minutes; no responder is called, no row waits for ever."""
    story = drilled
    for path in ("probe", "zz"):
        story.sink.default[path] = Answer(status=500)
    story.happens("sos", device="probe-1", person=None)
    story.forward(239)
    assert story.incident().state is State.NOTIFYING
    story.forward(2)
    incident = story.incident()
    assert (incident.state, incident.outcome, incident.next_call_ms) == (State.RESOLVED, Outcome.TEST, None)
    assert set(story.told()) == {"probe", "zz"}
    story.forward(3600)
    assert story.told() == []


def test_without_a_test_channel_a_test_calls_nobody(any_story: Story, tmp_path: Path) -> None:
    """Not the district desk either."""
    story = any_story
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "devices.yaml").write_text(DEVICES)
    assert registry.import_folder(story.engine, folder).applied
    story.happens("sos", device="probe-1", person=None)
    story.forward(600)
    assert story.told() == []
    assert (story.incident().state, story.incident().outcome) == (State.RESOLVED, Outcome.TEST)


def test_a_test_channel_on_call_is_called_for_emergencies_too(drilled: Story, tmp_path: Path) -> None:
    """And the emergency stays open when it is told of it."""
    story = drilled
    folder = tmp_path / "on_call"
    folder.mkdir()
    (folder / "on_call.yaml").write_text("d.street.station: [probe]\n")
    assert registry.import_folder(story.engine, folder, remove=True).applied
    story.happens("fall")
    assert story.told() == ["probe"]
    assert story.incident().state is State.NOTIFYING
