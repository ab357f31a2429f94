"""What the alerts process does when the registry needs a key that it does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

import registry
from alerts import queries
from registry import Keys, SealedError
from registry.database import KEYS_OPTION
from registry.keys import draw_key
from tests.alerts.story import DISTRICT, Story
from tests.servers.sink import SECRET


def test_calls_go_on_when_a_registry_has_changed_that_cannot_be_opened(
    any_story: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody imports with a key that this process lacks: whom it knows is called, the log says what is missing."""
    story = any_story
    story.happens("fall")
    assert story.told() == ["ann"]
    key = draw_key()
    engine = story.engine.execution_options(**{KEYS_OPTION: Keys(lambda: key)})
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "district.yaml").write_text(text.replace("/chen", "/chen-2"), encoding="utf-8")
    assert registry.import_folder(engine, tmp_path / "s").applied
    story.forward(60)
    assert story.told() == ["bob", "chen"]
    assert "has changed and cannot be read" in caplog.text
    assert 1 <= caplog.text.count("cannot be read") <= 7
    story.restart()
    with pytest.raises(SealedError, match="no key is set"):
        story.settle()


def test_the_board_has_the_phone_where_the_key_is_and_is_there_without_it(any_story: Story, tmp_path: Path) -> None:
    """Who stands before the board calls the person; a missing key takes the number away, not the board."""
    key = draw_key()
    engine = any_story.engine.execution_options(**{KEYS_OPTION: Keys(lambda: key)})
    any_story.happens("fall")
    text = DISTRICT.format(url=any_story.sink.url(""), secret=SECRET)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "district.yaml").write_text(text.replace("{key: wang,", "{key: wang, phone: 029-1,"))
    registry.import_folder(engine, tmp_path / "s")
    (shown,) = queries.open_incidents(engine)
    (blank,) = queries.open_incidents(any_story.engine)
    assert (shown.person_phone, blank.person_phone) == ("029-1", "")
