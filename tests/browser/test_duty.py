"""Coverage and on-call in a browser: the tree by keyboard, "use my place", a change from the shift to the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

import registry
from console.app import wall_clock_ms
from registry.presence import presences
from tests.browser.checks import assert_accessible, assert_fits
from tests.browser.conftest import Desk
from tests.browser.demo import build_demo
from tests.browser.site import Site, running_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The district of the pictures."""
    folder = tmp_path_factory.mktemp("duty")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    build_demo(engine, folder, wall_clock_ms())
    with running_site(engine) as running:
        yield running
    engine.dispose()


@pytest.fixture
def team(chromium: Browser, site: Site) -> Iterator[Desk]:
    """Windows of the district's users."""
    desk = Desk(chromium, site)
    yield desk
    desk.close()


def test_the_tree_opens_and_closes_by_keyboard(team: Desk) -> None:
    """And an area in it is chosen."""
    page = team.open("/coverage", user="admin")
    street = page.locator(".tree summary", has_text="Hongmiaopo")
    child = page.locator(".tree .leaf", has_text="Xinghuo")
    expect(child).to_be_visible()
    street.focus()
    page.keyboard.press("Enter")
    expect(child).to_be_hidden()
    page.keyboard.press("Space")
    expect(child).to_be_visible()
    assert page.get_by_role("img", name="Map").count() == 1
    page.get_by_role("link", name="Only 红庙坡街道 Hongmiaopo").click()
    page.wait_for_url("**area=lianhu.hongmiaopo")
    expect(page.locator(".tree")).not_to_contain_text("Taoyuan")


def test_a_place_comes_from_the_device_or_is_written_down(team: Desk, site: Site) -> None:
    """Where the browser does not tell, the fields open."""
    page = team.open("/on-call", user="zhang", size="phone")
    page.get_by_role("button", name="Use my place").click()
    expect(page.locator("#place-said")).to_contain_text("does not tell where it is")
    expect(page.get_by_label("Latitude")).to_be_focused()
    assert_accessible(page)
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"latitude": 34.2701, "longitude": 108.9302})
    page.get_by_role("button", name="Use my place").click()
    page.wait_for_url("**said=placed*")
    expect(page.get_by_text("Your place is known")).to_be_visible()
    with site.engine.connect() as connection:
        last = presences(connection, ["r-zhang"])["r-zhang"]
    assert (last.lat, last.lon, last.available) == (34.2701, 108.9302, True)


def test_a_turn_is_given_away_from_the_list_of_shifts(team: Desk) -> None:
    """On a phone: the last shift shown, looked at, saved, and taken back with a question."""
    page = team.open("/on-call", user="zhang", size="phone")
    page.locator("#own ~ .rows > li").last.get_by_role("link", name="Change").click()
    page.get_by_label("Who comes").select_option("r-liu")
    page.get_by_role("button", name="Show what it does").click()
    expect(page.get_by_role("heading", name="What it does")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**said=saved*")
    change = page.locator("section", has=page.locator("#changes")).locator("li")
    expect(change).to_contain_text("刘洋 Liu Yang in the place of 张敏 Zhang Min")
    expect(page.locator("table.plan")).to_contain_text("standing in")
    assert_fits(page)
    change.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    page.wait_for_url("**said=taken_back*")


def test_the_address_of_a_calendar_is_shown_once(team: Desk) -> None:
    """With how to subscribe."""
    page = team.open("/on-call", user="zhang")
    page.get_by_role("button", name="Make an address").click()
    assert "/feeds/" in page.get_by_label("Address").input_value()
    assert_accessible(page)
    assert_fits(page)
