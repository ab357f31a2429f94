"""The quarantine in a real browser: a message is chosen, looked at, put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import registry
from console.app import wall_clock_ms
from journal.quarantine import load_replayed
from tests.browser.checks import assert_accessible, assert_fits
from tests.browser.conftest import Desk
from tests.browser.demo import Demo, build_demo
from tests.browser.site import running_site


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A district in use."""
    engine = registry.create_engine(f"sqlite:///{tmp_path}/carecircle.db")
    yield build_demo(engine, tmp_path, wall_clock_ms())
    engine.dispose()


def test_a_message_is_put_back_on_a_phone_by_who_has_looked_at_it(chromium: Browser, demo: Demo) -> None:
    """Nothing happens before the question is answered; every step can be used by everybody."""
    with running_site(demo.engine, store_url=demo.store_url, folder=demo.folder) as site:
        desk = Desk(chromium, site)
        page = desk.open("/quarantine", user="admin", size="phone")
        page.get_by_role("checkbox").last.check()
        page.get_by_role("button", name="Look at what would be put back").click()
        expect(page.get_by_text("can be taken now")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        page.get_by_role("button", name="Put 1 back").click()
        assert load_replayed(demo.folder / "quarantine") == {}
        page.get_by_role("dialog").get_by_role("button", name="Put back").click()
        expect(page.get_by_text("Messages put back: 1")).to_be_visible()
        assert_accessible(page)
        replayed = load_replayed(demo.folder / "quarantine")
        assert list(replayed) == ["processor-0-0"]
        assert abs(replayed["processor-0-0"] - time.time() * 1000) < 60_000
        page.goto(f"{site.url}/devices/d-0008")
        page.wait_for_selector("#charts[data-drawn]")
        page.get_by_role("button", name="Have it show itself").click()
        expect(page.get_by_text("is told to show itself")).to_be_visible()
        assert_accessible(page)
        desk.close()
