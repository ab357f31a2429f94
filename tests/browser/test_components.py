"""Every part of docs/console-components.md on one page: accessible, as wide as a phone, easy to press."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import ChoiceLoader, DictLoader
from starlette.requests import Request

import console
from console.app import wall_clock_ms
from console.area_filter import area_choice
from console.render import Renderer
from console.settings import ConsoleSettings
from tests.browser.checks import assert_accessible, assert_easy_to_press, assert_fits
from tests.browser.conftest import Desk
from tests.console.district import LINK_KEY

ROOT = Path(console.__file__).parents[1]
GALLERY = Path(__file__).with_name("gallery.html").read_text(encoding="utf-8")
AREAS = {"d": "District"} | {f"d.s{n}": f"Street {n} 街道" for n in range(20)}


def gallery() -> str:
    """The page."""
    renderer = Renderer(ConsoleSettings(link_key=LINK_KEY), wall_clock_ms)
    templates = renderer._templates
    assert templates.loader is not None
    templates.loader = ChoiceLoader([templates.loader, DictLoader({"gallery.html": GALLERY})])
    request = Request({"type": "http", "method": "GET", "path": "/gallery", "headers": [], "query_string": b""})
    page = renderer.page(request, "gallery.html", areas=area_choice(AREAS, "d"))
    return bytes(page.body).decode()


@pytest.mark.parametrize(("size", "theme"), [("desktop", "dark"), ("phone", "light")])
def test_every_part_can_be_used_by_everybody(desk: Desk, size: str, theme: str) -> None:
    """With htmx running, which the policy of the pages must not hinder."""
    page = desk.open("/login", user="", size=size, theme=theme)
    page.route("**/gallery", lambda route: route.fulfill(body=gallery(), content_type="text/html; charset=utf-8"))
    page.goto("/gallery")
    assert page.evaluate("htmx.config.allowEval") is False
    assert_accessible(page)
    assert_fits(page)
    assert_easy_to_press(page)
    cell = page.locator("table.list td[data-label=Battery]").first
    label = cell.evaluate("node => getComputedStyle(node, '::before').content")
    assert label == ('"Battery"' if size == "phone" else "none")
    field = page.locator("#email")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate(
        """() => document.getElementById("email").getAttribute("aria-describedby").split(" ")
        .map((id) => document.getElementById(id).textContent.trim())"""
    ) == ["This is no address.", "Where links go."]


def test_every_part_is_documented_and_in_the_gallery() -> None:
    """With an example that uses it."""
    source = (ROOT / "console" / "templates" / "components.html").read_text(encoding="utf-8")
    parts = set(re.findall(r"macro ([a-z_]+)\(", source)) - {"described"}
    documented = (ROOT / "docs" / "console-components.md").read_text(encoding="utf-8")
    for text in (documented, GALLERY):
        assert parts - set(re.findall(r"ui\.([a-z_]+)\(", text)) == set()
