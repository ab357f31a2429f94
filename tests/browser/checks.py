"""What every page of the console is held to, whatever is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_AXE = Axe()
_RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
_LOOKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")


def assert_accessible(page: Page) -> None:
    """axe-core finds nothing against WCAG 2.2 A and AA."""
    found = _AXE.run(page, options=_RULES).response["violations"]
    assert not found, f"{page.url}\n" + "\n".join(_told(violation) for violation in found)


def assert_fits(page: Page) -> None:
    """Nothing scrolls sideways."""
    assert page.viewport_size is not None
    width = page.viewport_size["width"]
    whole = page.evaluate("document.documentElement.scrollWidth")
    assert whole <= width, f"{page.url} is {whole} px wide at {width}: {_look(page, 'wide', width)}"


def assert_easy_to_press(page: Page) -> None:
    """Buttons and fields are 44 px high."""
    small = _look(page, "small")
    assert not small, f"{page.url}: {small}"


def _look(page: Page, name: str, value: object = None) -> Any:
    return page.evaluate(f"(value) => {_LOOKS.strip()}.{name}(value)", value)


def _told(violation: dict[str, Any]) -> str:
    where = "\n".join(f"    {node['html'][:200]}\n    {node['failureSummary']}" for node in violation["nodes"][:3])
    return f"{violation['id']}: {violation['help']}\n{where}"
