"""Chromium, and pages of the console in it: as a desk and as a phone sees them, in both languages and themes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright
from sqlalchemy import Engine

from console.access.rules import Role
from tests.browser.site import Site, running_site
from tests.console.conftest import built, engine  # noqa: F401
from tests.console.district import WANG, ZHANG
from tests.console.users import add_user
from tests.servers.require import require

#: Size of the window by name; a phone also zooms, scrolls and is touched like one.
SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
}
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
_PATIENCE_MS = 5000


def launch(playwright: Playwright, program: Path) -> Browser:
    """Debian's Chromium, without a window."""
    # a container has no room for its sandbox and little shared memory; every page here is ours
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])


# Not for the whole session: while it runs, asyncio.run does not work in this thread, which other tests need.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of this folder."""
    with sync_playwright() as playwright:
        browser = launch(playwright, require("chromium"))
        yield browser
        browser.close()


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:  # noqa: F811
    """The console over the district of tests/console, by the clock of the wall, with a desk and two responders."""
    add_user(engine, "desk", Role.COORDINATOR, full_name="Xu Jing 许静")
    for name, responder in (("zhang", ZHANG), ("wang", WANG)):
        add_user(engine, name, Role.RESPONDER, full_name=name.title(), responder=responder)
    with running_site(engine) as running:
        yield running


@dataclass
class Desk:
    """Opens pages, and notes what the browser complains of: a script that fails, a style that the policy refuses.

    A test that takes the network away says which complaints it expects: ``allowed``.
    """

    browser: Browser
    site: Site
    contexts: list[BrowserContext] = field(default_factory=list)
    pages: dict[object, Page] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def open(
        self, path: str = "/", *, user: str = "desk", size: str = "desktop", language: str = "en", theme: str = "light"
    ) -> Page:
        """A page in a window of its own, in which ``user`` is logged in; nobody with ""."""
        context = self.browser.new_context(
            base_url=self.site.url,
            locale=LOCALES[language],
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            **SIZES[size],
        )
        context.set_default_timeout(_PATIENCE_MS)
        if user:
            context.add_cookies([{"name": "session", "value": self.site.session(user), "url": self.site.url}])
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}"))
        page.goto(path)
        return page

    def again(self, path: str, **how: str) -> Page:
        """A page in the window that was opened before in the same way, where there is one."""
        key = tuple(sorted(how.items()))
        if key in self.pages:
            self.pages[key].goto(path)
        else:
            self.pages[key] = self.open(path, **how)
        return self.pages[key]

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location['url']}")

    def close(self) -> None:
        """Close every window; fails when the browser complained of anything that was not allowed."""
        for context in self.contexts:
            context.close()
        unexpected = [text for text in self.complaints if not any(part in text for part in self.allowed)]
        assert not unexpected, unexpected


@pytest.fixture
def desk(chromium: Browser, site: Site) -> Iterator[Desk]:
    """Windows on the console of ``site``."""
    desk = Desk(chromium, site)
    yield desk
    desk.close()
