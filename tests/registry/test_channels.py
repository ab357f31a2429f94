"""Channels of responders as files have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

import registry
from registry.entries import ChannelEntry
from registry.reading import channel_from_text
from tests.registry.folders import RESPONDERS, write_folder


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_channels_survive_export_and_import(sqlite_registry: Engine, tmp_path: Path, form: str) -> None:
    """With the url of a service and a limit."""
    mail = "{type: apprise, url: 'mailtos://me:pw@example.org?to=li@example.org', per_minute: 12}"
    folder = write_folder(tmp_path / "in", responders=RESPONDERS.replace("{type: console}", mail))
    assert not registry.import_folder(sqlite_registry, folder).problems
    before = registry.directory(sqlite_registry).responders
    assert ChannelEntry(type="apprise", url="mailtos://me:pw@example.org?to=li@example.org", per_minute=12) in [
        channel for one in before.values() for channel in one.channels
    ]
    registry.export_folder(sqlite_registry, tmp_path / "out", form=form)
    again = registry.import_folder(sqlite_registry, tmp_path / "out")
    assert (again.problems, registry.directory(sqlite_registry).responders) == ([], before)


def test_a_channel_in_a_cell_has_its_limit_at_the_end() -> None:
    """And one word too many is still named."""
    assert channel_from_text("apprise ntfy://host/t per_minute=20") == {
        "type": "apprise", "url": "ntfy://host/t", "per_minute": "20",
    }  # fmt: skip
    assert "superfluous" in channel_from_text("webhook https://x whsec_a b c")
