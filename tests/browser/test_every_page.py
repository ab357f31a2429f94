"""What every page of the console is held to: accessible, not wider than a phone, easy to press, no complaints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

import registry
from console import render
from console.app import wall_clock_ms
from console.shell import PLACES, navigation
from tests.browser.checks import assert_accessible, assert_easy_to_press, assert_fits
from tests.browser.conftest import Desk
from tests.browser.demo import Demo, build_demo
from tests.browser.pages import PAGES, PageOf
from tests.browser.site import running_site

#: Four of the eight ways to look: each pair of size, language and theme is among them. A page is looked at in two that
#: differ in everything, its neighbours in the list in the other two.
WAYS = (("desktop", "en", "light"), ("desktop", "zh", "dark"), ("phone", "zh", "dark"), ("phone", "en", "light"))
LOOKS = [(page_of, WAYS[place]) for number, page_of in enumerate(PAGES) for place in (number % 2, 2 + number % 2)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A district in use."""
    folder = tmp_path_factory.mktemp("demo")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    yield build_demo(engine, folder, wall_clock_ms())
    engine.dispose()


@pytest.fixture(scope="module")
def windows(chromium: Browser, demo: Demo) -> Iterator[Desk]:
    """Windows on the console of that district."""
    with running_site(demo.engine, store_url=demo.store_url, folder=demo.folder) as site:
        desk = Desk(chromium, site, allowed=("404 (Not Found)", "Error Code 404 from /nowhere"))
        yield desk
        desk.close()


@pytest.mark.parametrize(("page_of", "way"), LOOKS, ids=["-".join((page_of.name, *way)) for page_of, way in LOOKS])
def test_a_page_can_be_used_by_everybody(windows: Desk, demo: Demo, page_of: PageOf, way: tuple[str, str, str]) -> None:
    """axe-core, width, size of buttons; a page without headings or in the other language is no page."""
    size, language, theme = way
    page = windows.again(page_of.address(demo), user=page_of.user, size=size, language=language, theme=theme)
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert page.locator("h1").count() == 1
    assert_accessible(page)
    assert_fits(page)
    assert_easy_to_press(page)


def test_large_type_and_a_chosen_theme_stay_chosen(windows: Desk) -> None:
    """They are remembered by cookies, leave the address again, and large type still fits on a phone."""
    page = windows.open("/", user="admin", size="phone")
    page.locator("header .menu summary").click()
    page.get_by_role("link", name="Large").click()
    page.locator("header .menu summary").click()
    page.get_by_role("link", name="Dark").click()
    page.wait_for_function("!location.search")
    page.goto("/")
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "22px"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 21)"
    assert_fits(page)
    assert_accessible(page)


def test_the_menu_opens_and_closes_by_keyboard(windows: Desk) -> None:
    """Escape leads back to its button, going on with Tab closes it; the language is chosen in it."""
    page = windows.open("/", user="admin")
    summary = page.locator("header .menu summary")
    summary.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".menu-panel")
    panel.wait_for(state="visible")
    assert_accessible(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert summary.evaluate("node => node === document.activeElement")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="中文").press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")  # a script would also meet the page in between


def test_what_is_final_is_asked_for_and_messages_are_said(windows: Desk) -> None:
    """The question holds a form back until it is answered; a message of the server appears and can be closed."""
    page = windows.open("/", user="admin")
    page.evaluate(
        """() => {
          const form = document.createElement("form");
          form.method = "post";
          form.dataset.confirm = "Really?";
          form.dataset.confirmDo = "Remove";
          form.innerHTML = '<button id="final">x</button>';
          window.sent = 0;
          form.addEventListener("submit", (event) => { event.preventDefault(); window.sent += 1; });
          document.querySelector("main").append(form);
        }"""
    )
    dialog = page.get_by_role("dialog", name="Really?")
    for answer, sent in (("Go back", 0), ("Remove", 1)):
        page.locator("#final").click()
        assert page.evaluate("window.sent") == 0
        assert_accessible(page)
        dialog.get_by_role("button", name=answer).click()
        dialog.wait_for(state="hidden")
        assert page.evaluate("window.sent") == sent
    page.evaluate(
        """() => { for (const tone of ["calm", "critical"])
          document.body.dispatchEvent(new CustomEvent("toast", { bubbles: true, detail: { text: tone, tone } })); }"""
    )
    assert page.locator(".toast").count() == 2
    assert_accessible(page)
    page.locator(".toast.critical").get_by_role("button", name="Close").click()
    assert page.locator(".toast.critical").count() == 0
    page.evaluate("htmx.ajax('GET', '/nowhere', 'main')")
    page.locator(".toast.critical").wait_for(timeout=3000)


@pytest.mark.parametrize(("size", "width"), [("desktop", 1280), ("desktop", 800), ("phone", 360)])
def test_every_place_has_room_in_the_frame(
    windows: Desk, monkeypatch: pytest.MonkeyPatch, size: str, width: int
) -> None:
    """Also in large type; on a phone three are at hand, and the others open by keyboard behind "more"."""
    monkeypatch.setattr(render, "navigation", lambda path, _: navigation(path, lambda _address: True))
    for kind in ("normal", "large"):
        page = windows.again(f"/people?type={kind}", user="admin", size=size)
        page.set_viewport_size({"width": width, "height": 740})
        assert_fits(page)
        assert_easy_to_press(page)
        shown = page.locator("nav a:visible").filter(has=page.locator("svg"))
        if size == "desktop":
            assert shown.count() == len(PLACES)
            page.evaluate("scrollTo(0, 1000)")
            assert page.locator("header.top").bounding_box()["y"] <= 0
            assert page.evaluate("document.elementFromPoint(400, 170).closest('header')") is None  # not in the way
            continue
        assert shown.count() == 3
        page.locator(".bottom summary").press("Enter")
        assert shown.count() == len(PLACES)
        assert_accessible(page)
        page.keyboard.press("Escape")
        assert shown.count() == 3


def test_paper_is_white_and_has_no_buttons(windows: Desk, demo: Demo) -> None:
    """Also for who reads in the dark."""
    page = windows.open(f"/incidents/{demo.closed}", user="admin", theme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 24, 29)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.locator("header:visible, nav.bottom:visible, button:visible").count() == 0
    assert page.locator("[data-part=log]").is_visible()
