"""The frame of every page, and the libraries of others that it loads."""

from __future__ import annotations

import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from console.area_filter import area_choice
from console.render import STATIC
from console.shell import PLACES, Shell, chosen, lasting, navigation

VENDOR = STATIC / "vendor"
NAMES = {"d": "District", "d.west": "West", "d.west.b": "Birch", "d.west.a": "Ash", "d.east": "East", "x.y": "Far away"}


def marked(path: str) -> list[str]:
    """The places that a page marks as where one is."""
    return [entry.id for entry in navigation(path, lambda _: True) if entry.current]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", ["board"]),
        ("/incidents/i1", ["board"]),
        ("/people", ["people"]),
        ("/people/p-1/thresholds", ["people"]),
        ("/on-call", ["on_call"]),
        ("/peoples", []),
        ("/account", []),
    ],
)
def test_a_page_belongs_to_one_place_or_none(path: str, place: list[str]) -> None:
    """By its address, whole parts of it."""
    assert marked(path) == place


def test_nobody_is_led_to_what_they_may_not_open() -> None:
    """And a phone has the three at hand first, the others behind "more"."""
    entries = navigation("/", lambda address: address != "/people")
    assert [entry.id for entry in entries] == [place.id for place in PLACES if place.id != "people"]
    shell = Shell(entries=entries, name="", theme="dark", type="normal", home=True, query=(("q", "a b&c"),))
    assert [entry.id for entry in shell.at_hand] == ["board", "on_call"]
    assert [entry.id for entry in shell.further] == ["coverage", "devices", "reports", "administration"]
    assert shell.choose("theme", "light") == "?q=a+b%26c&theme=light"


def test_a_choice_is_asked_for_then_remembered_then_the_default() -> None:
    """Nonsense is passed over."""
    assert chosen("theme", {"theme": "dark"}, {"theme": "light"}) == "dark"
    assert chosen("theme", {"theme": "pink"}, {"theme": "light"}) == "light"
    assert chosen("type", {}, {"type": "huge"}) == "normal"


def test_what_an_address_says_once_is_not_handed_on() -> None:
    """Choices and answers to forms; an address with too many parameters hands on nothing."""
    assert lasting("q=%E6%9D%8E&theme=dark&said=saved&lang=zh&page=2") == (("q", "李"), ("page", "2"))
    assert lasting("&".join(f"a{n}=1" for n in range(1000))) == ()


def test_choices_are_kept_by_cookies_and_put_on_the_page(browser: TestClient) -> None:
    """Each by itself; what is not known is not kept."""
    page = browser.get("/?theme=dark&type=large&lang=xx")
    assert '<html lang="en" data-theme="dark" data-type="large">' in page.text
    assert '<meta name="color-scheme" content="dark">' in page.text
    assert {name for name in page.cookies if name != "session"} == {"theme", "type"}
    assert 'data-theme="dark"' in browser.get("/").text
    back = browser.get("/?theme=system").text
    assert "data-theme" not in back.partition("<body")[0]
    assert 'data-type="large"' in back


def test_an_area_is_found_by_going_down_the_tree() -> None:
    """From what the reader may see; an unknown area is everything."""
    start = area_choice(NAMES, "nowhere", [("q", "li"), ("page", "3"), ("area", "nowhere")])
    assert [(step.name, step.address) for step in start.trail] == [("", "?q=li")]
    assert [step.name for step in start.within] == ["District", "Far away"]
    west = area_choice(NAMES, "d.west")
    assert [step.name for step in west.trail] == ["", "District", "West"]
    assert [(step.name, step.address) for step in west.within] == [
        ("Ash", "?area=d.west.a"),
        ("Birch", "?area=d.west.b"),
    ]
    assert area_choice(NAMES, "d.east").within == ()
    numbered = area_choice({"a": "Street 10", "b": "Street 9", "c": "street 1"}, "")
    assert [step.name for step in numbered.within] == ["street 1", "Street 9", "Street 10"]


def test_libraries_of_others_are_as_they_were_published() -> None:
    """Each file is in the list with its checksum, and nothing else lies there."""
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| ([0-9a-f]{64}) \|$", (VENDOR / "README.md").read_text(), re.M
    )
    assert {row[0] for row in rows} == {path.name for path in VENDOR.iterdir()} - {"README.md"}
    assert [row[0] for row in rows if hashlib.sha256((VENDOR / row[0]).read_bytes()).hexdigest() != row[4]] == []
    assert {f"{name.split('.')[0]}.LICENSE" for name, *_ in rows} == {
        row[0] for row in rows if row[0].endswith("LICENSE")
    }


def test_every_icon_that_a_page_asks_for_is_there() -> None:
    """In templates and scripts; a missing one would be an empty place."""
    known = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (VENDOR / "icons.svg").read_text()))
    templates = "\n".join(path.read_text() for path in (STATIC.parent / "templates").rglob("*.html"))
    asked = set(re.findall(r"""icon\(\s*'([a-z0-9-]+)'""", templates))
    asked |= set(re.findall(r"""line\(\s*'([a-z0-9-]+)'""", templates))
    asked |= {place.icon for place in PLACES}
    asked |= set(re.findall(r'icon\("([a-z0-9-]+)"\)', (STATIC / "shell.js").read_text()))
    assert asked - known == set()
    assert len(asked) > 15
