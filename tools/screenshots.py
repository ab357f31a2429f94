"""A picture of every page of the console, in both languages, as a desk and as a phone see it, with a district in use.

``python -m tools.screenshots [--theme dark] [NAME...]`` writes ``out/screenshots/<page>-<language>-<size>.png``; with
names only those pages of ``tests/browser/pages.py``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import registry
from console.app import wall_clock_ms
from tests.browser.conftest import LOCALES, SIZES, Desk, launch
from tests.browser.demo import build_demo
from tests.browser.pages import PAGES, PageOf
from tests.browser.site import running_site

FOLDER = Path(__file__).parents[1] / "out" / "screenshots"


def take(pages: list[PageOf], folder: Path, program: Path, *, theme: str) -> list[str]:
    """Write the pictures; returns what the browser complained of."""
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        engine = registry.create_engine(f"sqlite:///{work}/carecircle.db")
        demo = build_demo(engine, Path(work), wall_clock_ms())
        browser = launch(playwright, program)
        with running_site(engine, store_url=demo.store_url, folder=demo.folder) as site:
            desk = Desk(browser, site)
            for page_of in pages:
                for language in LOCALES:
                    for size in SIZES:
                        page = desk.again(
                            page_of.address(demo), user=page_of.user, size=size, language=language, theme=theme
                        )
                        page.wait_for_load_state("load")
                        _picture(page, folder / f"{page_of.name}-{language}-{size}.png")
            browser.close()
        engine.dispose()
    return desk.complaints


def _picture(page: Page, path: Path) -> None:
    """The whole page in one window as high as it is, so that what sticks to an edge stands at the edge."""
    usual = page.viewport_size
    assert usual is not None
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": usual["width"], "height": max(usual["height"], min(height, 8000))})
    page.screenshot(path=path)
    page.set_viewport_size(usual)


def main() -> int:
    """1 when a page is not known, or there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a page; all without")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {page.name for page in PAGES}
    if unknown:
        print(f"no page {', '.join(sorted(unknown))}; there are {', '.join(page.name for page in PAGES)}")
        return 1
    program = shutil.which("chromium")
    if program is None:
        print("no chromium on this machine: apt-get install chromium fonts-noto-cjk")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    pages = [page for page in PAGES if not arguments.names or page.name in arguments.names]
    for complaint in take(pages, FOLDER, Path(program), theme=arguments.theme):
        print(f"the browser says: {complaint}")
    print(f"{len(pages)} pages in {FOLDER.relative_to(FOLDER.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
