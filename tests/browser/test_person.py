"""The page of a person in a browser: drawings that can be read with mouse and keyboard, the search, the form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

import registry
from console.access.rules import Role
from console.app import wall_clock_ms
from store import open_store
from tests.browser.checks import assert_accessible, assert_fits
from tests.browser.conftest import Desk
from tests.browser.site import Site, running_site
from tests.console import district, person_points
from tests.console.conftest import (
    built,  # noqa: F401
    copy_of,
)
from tests.console.users import add_user

_HOUR_MS = person_points.HOUR_MS
#: Of a canvas: whether anything is drawn on it.
_DRAWN = (
    """(canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0)"""
)


@pytest.fixture(scope="module")
def site(built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: F811
    """A console with a week of one person's vitals, and one reading of another."""
    folder = tmp_path_factory.mktemp("person")
    engine = copy_of(built, folder)
    now_ms = wall_clock_ms()
    district.take(engine, now_ms - 2 * _HOUR_MS, district.fall("d-0001", now_ms - 2 * _HOUR_MS))
    store_url = f"sqlite:///{folder}/store.db"
    store = open_store(store_url)
    person_points.write_vitals(store, "p-0001", "d-0001", now_ms, every_s=300)
    person_points.write_scores(store, "p-0001", now_ms)
    person_points.write_usual(store, "p-0001", now_ms)
    one = {"hr": [71.0], "temp": [float("nan")]}
    person_points.write(store, "vitals", [now_ms - _HOUR_MS], one, device="d-0002", person="p-0002", area="a")
    store.close()
    add_user(engine, "doctor", Role.CLINICIAN, full_name="Dr Chen", areas=("chongqing",))
    with running_site(engine, store_url=store_url) as running:
        yield running
    engine.dispose()


@pytest.fixture
def doctor(chromium: Browser, site: Site) -> Iterator[Desk]:
    """Windows of a clinician."""
    desk = Desk(chromium, site)
    yield desk
    desk.close()


def open_person(desk: Desk, path: str, **how: str) -> Page:
    """The page with its drawings."""
    page = desk.open(path, user="doctor", **how)
    page.wait_for_selector("#charts[data-drawn]")
    return page


def test_each_sign_is_drawn_and_read_out_with_the_keyboard(doctor: Desk) -> None:
    """The arrow keys move one cursor through all drawings; the value and what is usual are said."""
    page = open_person(doctor, "/people/p-0001?range=7d")
    charts = page.locator(".chart")
    assert charts.count() == 7
    assert all(charts.nth(n).locator("canvas").evaluate(_DRAWN) for n in range(7))
    pulse = page.locator(".chart", has_text="Pulse")
    area, said = pulse.locator(".plot-area"), pulse.locator("output")
    assert "Arrow keys move the cursor" in (area.get_attribute("aria-label") or "")
    expect(said).to_have_text("/min")
    area.focus()
    page.keyboard.press("End")
    expect(said).to_contain_text("/min")
    expect(said).to_contain_text("usual")
    last = said.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(said).not_to_have_text(last)
    breathing = page.locator(".chart", has_text="Breathing").locator("output")
    for _ in range(8):  # by the time of day a place may have one value only, which has no range
        if "/min (" in breathing.inner_text():
            break
        page.keyboard.press("ArrowLeft")
    expect(breathing).to_contain_text("/min (")
    assert_accessible(page)


def test_the_marks_of_incidents_lead_to_them(doctor: Desk) -> None:
    """Below the drawings, with their time."""
    page = open_person(doctor, "/people/p-0001")
    mark = page.locator(".marks a", has_text="Fall")
    there = mark.get_attribute("href")
    mark.click()
    page.wait_for_url("**/incidents/*")
    assert there is not None
    assert page.url.endswith(there)
    expect(page.locator("h1")).to_contain_text("Fall")


def test_one_reading_is_a_drawing_too_and_the_width_follows_the_window(doctor: Desk) -> None:
    """A single dot; turned from upright to lying, the drawing is as wide as the page."""
    page = open_person(doctor, "/people/p-0002", size="phone")
    assert page.locator(".chart").count() == 1
    assert page.locator(".chart canvas").evaluate(_DRAWN)
    narrow = page.locator(".chart .uplot").evaluate("(node) => node.clientWidth")
    page.set_viewport_size({"width": 720, "height": 360})
    page.wait_for_function("(was) => document.querySelector('.chart .uplot').clientWidth > was", arg=narrow)
    assert_fits(page)


def test_a_drawing_that_cannot_be_loaded_leaves_the_table(doctor: Desk) -> None:
    """It is opened, and has the same values."""
    doctor.allowed = ("ERR_FAILED",)
    page = doctor.open("/people", user="doctor")
    page.route("**/series?*", lambda route: route.abort())
    page.goto("/people/p-0001")
    expect(page.locator("#readings")).to_have_attribute("open", "")
    expect(page.locator("[data-wait]")).to_have_text(
        "The drawing cannot be loaded. The table below has the same values."
    )


def test_typing_finds_people_without_a_reload(doctor: Desk) -> None:
    """The address keeps the search, so that going back finds it again."""
    page = doctor.open("/people", user="doctor")
    expect(page.locator("#found tbody tr")).to_have_count(5)
    page.get_by_role("searchbox").press_sequentially("yumei", delay=20)
    expect(page.locator("#found tbody tr")).to_have_count(1)
    page.wait_for_url("**q=yumei*")
    page.locator("#found tbody a").click()
    page.wait_for_url("**/people/p-0002")
    page.go_back()
    expect(page.locator("#found tbody tr")).to_have_count(1)


def test_a_limit_is_changed_and_a_mistake_is_told_at_its_field(doctor: Desk, site: Site) -> None:
    """By keyboard, on a phone."""
    doctor.allowed = ("422",)
    page = doctor.open("/people/p-0001", user="doctor", size="phone")
    page.get_by_role("link", name="Change thresholds").click()
    field = page.get_by_label("Fast pulse at rest")
    field.fill("1200")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#hr_fast_bpm-error")).to_contain_text("from 80 to 200")
    page.get_by_label("Fast pulse at rest").fill("120")
    page.keyboard.press("Enter")
    page.wait_for_url("**said=saved*")
    expect(page.locator("#thresholds ~ *").filter(has_text="from none to 120, by doctor").first).to_be_visible()
    assert registry.directory(site.engine).people["p-0001"].limits == {"hr_fast_bpm": 120.0}
