"""Door codes: for who has taken the incident, as long as it is open, and never without a row in the audit."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

import registry
from alerts import actions, models
from alerts.door import DoorAnswer, DoorCode, read_door_code
from registry import Keys, SealedError
from registry.database import KEYS_OPTION
from registry.keys import draw_key
from tests.alerts.story import DISTRICT, Story
from tests.servers.sink import SECRET

CODE = "4711#"
SHOWN = DoorCode(DoorAnswer.SHOWN, CODE)


def with_code(story: Story, folder: Path) -> Engine:
    """Wang has a door code; the database as a process with the key opens it."""
    engine = story.engine.execution_options(**{KEYS_OPTION: Keys(lambda: KEY)})
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET)
    folder.mkdir()
    (folder / "district.yaml").write_text(text.replace("{key: wang,", f"{{key: wang, door_code: '{CODE}',"))
    diff = registry.import_folder(engine, folder)
    assert [str(change) for change in diff.changes] == ["~ people wang: door_code changed"]
    return engine


KEY = draw_key()


def looks(story: Story) -> list[tuple[str, str, dict[str, str]]]:
    """What the audit says of door codes: what, who, with what."""
    table = models.audit
    query = select(table.c.what, table.c.who, table.c.data).where(table.c.what.startswith("door_code"))
    with story.engine.connect() as connection:
        return [(what, who, data) for what, who, data in connection.execute(query.order_by(table.c.id))]


def test_only_who_has_taken_the_incident_reads_the_code_and_only_until_it_is_closed(
    any_story: Story, tmp_path: Path
) -> None:
    """Acknowledged, on the way and at the door; nobody before, nobody else, nobody after."""
    story = any_story
    engine = with_code(story, tmp_path / "codes")
    story.happens("fall")
    incident = story.incident().id

    def ask(who: str) -> DoorCode:
        return read_door_code(engine, incident, who, story.now_ms, via="console")

    refused = DoorCode(DoorAnswer.NOT_YOURS)
    assert ask("ann") == refused  # called, and has not acknowledged
    for act in (actions.acknowledge, actions.en_route, actions.on_scene):
        act(story.engine, incident, "ann", story.now_ms)
        assert ask("ann") == SHOWN
        assert ask("bob") == refused
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=actions.Outcome.TRUE)
    assert ask("ann") == DoorCode(DoorAnswer.RESOLVED)
    assert read_door_code(engine, "i-none", "ann", story.now_ms, via="console").answer is DoorAnswer.UNKNOWN
    seen = ("door_code_shown", "ann", {"person": "wang", "via": "console"})
    not_seen = {"person": "wang", "via": "console", "refused": "not_yours"}
    assert looks(story) == [
        ("door_code_refused", "ann", not_seen),
        *[seen, ("door_code_refused", "bob", not_seen)] * 3,
        ("door_code_refused", "ann", not_seen | {"refused": "resolved"}),
    ]


def test_who_did_not_arrive_in_time_may_not_read_it_any_more(any_story: Story, tmp_path: Path) -> None:
    """After a quarter of an hour it is open to everybody again; the one who takes it next may."""
    story = any_story
    engine = with_code(story, tmp_path / "codes")
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    story.forward(901)
    assert read_door_code(engine, incident, "ann", story.now_ms, via="console").code == ""
    actions.en_route(story.engine, incident, "bob", story.now_ms)
    assert read_door_code(engine, incident, "bob", story.now_ms, via="console") == SHOWN


def test_a_code_is_in_no_message_no_audit_no_log_and_no_view(
    any_story: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole incident, with everything that it leaves behind, logged in every detail."""
    story = any_story
    engine = with_code(story, tmp_path / "codes")
    with caplog.at_level(logging.DEBUG):
        story.happens("fall")
        incident = story.incident().id
        story.forward(60)
        actions.acknowledge(story.engine, incident, "ann", story.now_ms)
        answer = read_door_code(engine, incident, "ann", story.now_ms, via="console")
        assert answer == SHOWN
        logging.getLogger("alerts").warning("%r %s", answer, answer)
    assert "shown" in caplog.text
    assert CODE not in caplog.text
    messages = story.news()
    assert messages
    assert not any(CODE in repr(message.body) for message in messages)
    assert CODE not in repr(story.detail())
    with story.engine.connect() as connection:
        assert CODE not in repr(connection.execute(select(models.audit)).all())


def test_a_person_without_a_code_and_an_incident_without_a_person_have_none(any_story: Story, tmp_path: Path) -> None:
    """Nothing was read, nothing is written."""
    story = any_story
    engine = with_code(story, tmp_path / "codes")
    for values in ({"device": "w-zhao", "person": "zhao"}, {"device": "spare", "person": None}):
        story.happens("sos", **values)
        incident = next(one.id for one in story.incidents() if one.device == values["device"])
        actions.acknowledge(story.engine, incident, "desk", story.now_ms)
        assert read_door_code(engine, incident, "desk", story.now_ms, via="console") == DoorCode(DoorAnswer.NONE)
    assert looks(story) == []


def test_without_the_key_nothing_is_shown_and_nothing_is_written_as_shown(any_story: Story, tmp_path: Path) -> None:
    """The audit says what happened, not what was asked for."""
    story = any_story
    with_code(story, tmp_path / "codes")
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    with pytest.raises(SealedError, match="no key is set"):
        read_door_code(story.engine, story.incident().id, "ann", story.now_ms, via="console")
    assert looks(story) == []
