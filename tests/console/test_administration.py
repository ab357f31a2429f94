"""The registry row by row in the console: who may change what, what is shown before it is written, and what is kept."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from alerts.models import notification
from console.access.models import audit
from console.access.rules import Role
from console.app import create_app
from console.settings import ConsoleSettings
from registry.editing import load_entry
from registry.entries import ContactEntry, DeviceEntry, PersonEntry, ResponderEntry
from registry.keys import draw_key
from registry.models import area as areas
from registry.models import person as people
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, WANG, ZHANG
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
FAR = "chongqing.yubei.other"


@pytest.fixture
def town(engine: Engine) -> Engine:
    """The district, and a street beside with a person, a responder and a coordinator of its own."""
    with registry.writing(engine) as connection:
        connection.execute(areas.insert(), [{"path": FAR, "name": "Other street"}])
    add_user(engine, "near", Role.COORDINATOR, areas=(HOME,))
    add_user(engine, "far", Role.COORDINATOR, areas=(FAR,))
    add_user(engine, "anna", Role.ADMINISTRATOR)
    return engine


@lru_cache(maxsize=1)
def app_over(engine: Engine) -> FastAPI:
    """The console over the district of one test."""
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai"), now_ms=Clock())


@contextmanager
def logged_in(engine: Engine, name: str) -> Iterator[TestClient]:
    """A browser of somebody."""
    with browser_of(app_over(engine), engine, name, NOON_MS) as browser:
        yield browser


def fields_of(page: str) -> dict[str, str]:
    """What the main form of a page would send, without its buttons."""
    form = page.partition("<main")[2].partition('<form method="post"')[2].partition("</form>")[0]
    values = {
        name: html.unescape(value)
        for name, value in re.findall(
            r'<input (?:id="[^"]*" )?(?:type="hidden" )?name="([^"]*)"[^>]*?value="([^"]*)"', form
        )
        if "checkbox" not in value
    }
    for box in re.findall(r"<input [^>]*checkbox[^>]*>", form):
        name = re.search(r'name="([^"]*)"', box)
        assert name is not None
        values.pop(name[1], None)
        if " checked" in box:
            values[name[1]] = "1"
    for name, body in re.findall(r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', body) or re.search(r'value="([^"]*)"', body)
        values[name] = chosen[1] if chosen else ""
    return values


def save(browser: TestClient, path: str, /, **changes: str) -> int:
    """Change a row as somebody does: open, type, look at what changes, save. Returns the last status."""
    typed = {**fields_of(browser.get(path).text), **changes, "step": "check"}
    shown = browser.post(path, data=typed)
    if shown.status_code != 200 or 'name="looked"' not in shown.text:
        return int(shown.status_code)
    saved: int = browser.post(path, data={**fields_of(shown.text), "step": "save"}).status_code
    return saved


def entry(engine: Engine, table: str, key: str | tuple[str, str]) -> object:
    """A row as it is."""
    with engine.connect() as connection:
        return load_entry(connection, table, key)


def test_a_person_is_changed_after_a_look_at_what_changes(town: Engine) -> None:
    """Nothing is written by the preview; saving writes it and a row of the audit with before and after."""
    with logged_in(town, "near") as browser:
        address = "/administration/people/p-0003"
        typed = {**fields_of(browser.get(address).text), "address": "Building 12", "step": "check"}
        shown = browser.post(address, data=typed)
        assert shown.status_code == 200
        assert "Building 12" in shown.text
        before = entry(town, "people", "p-0003")
        assert isinstance(before, PersonEntry)
        assert before.address == "Building 11, unit 4, 22-6"
        done = browser.post(address, data={**fields_of(shown.text), "step": "save"})
        assert done.headers["location"] == "/administration/people?said=saved"
    after = entry(town, "people", "p-0003")
    assert isinstance(after, PersonEntry)
    assert (after.address, after.name) == ("Building 12", "Zhao Dehua")
    with town.connect() as connection:
        row = connection.execute(select(audit).where(audit.c.what == "registry")).mappings().one()
    assert (row["who"], row["kind"], row["subject"], row["area"]) == ("near", "people", "p-0003", HOME)
    assert row["data"]["fields"] == {"address": ["Building 11, unit 4, 22-6", "Building 12"]}


def test_what_was_typed_after_the_preview_is_shown_before_it_is_saved(town: Engine) -> None:
    """Saving writes what was looked at and nothing else."""
    with logged_in(town, "near") as browser:
        address = "/administration/people/p-0003"
        shown = browser.post(address, data={**fields_of(browser.get(address).text), "address": "A", "step": "check"})
        again = browser.post(address, data={**fields_of(shown.text), "address": "B", "step": "save"})
        assert again.status_code == 200
        assert 'name="looked"' in again.text
    now = entry(town, "people", "p-0003")
    assert isinstance(now, PersonEntry)
    assert now.address.startswith("Building 11")


def test_of_two_who_change_the_same_row_the_second_sees_the_first(town: Engine) -> None:
    """And nothing of theirs is written."""
    with logged_in(town, "near") as browser:
        address = "/administration/people/p-0003"
        opened = fields_of(browser.get(address).text)
        assert save(browser, address, address="First") == 303
        late = browser.post(address, data={**opened, "address": "Second", "step": "check"})
        assert late.status_code == 409
        assert 'value="First"' in late.text
        assert "Second" not in late.text


@pytest.mark.parametrize(
    ("table", "key", "changes", "field", "says"),
    [
        ("people", "p-0003", {"name": ""}, "name", "This is needed"),
        ("people", "p-0003", {"area": "chongqing.nowhere"}, "area", "not in your areas"),
        ("people", "p-0003", {"lat": "400"}, "lat", "This must be"),
        ("people", "p-0003", {"lat": "north"}, "lat", "must be a number"),
        ("people", "p-0003", {"door_code": "1234"}, "door_code", "no key is set"),
        ("devices", "d-0003", {"person": "p-none"}, "person", "not in your areas"),
        ("responders", WANG, {"channel_0_url": "ftp://x"}, "channels", "begins with https"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_at_its_field(
    town: Engine, table: str, key: str, changes: dict[str, str], field: str, says: str
) -> None:
    """By the rules of the import, and what was typed stays."""
    with logged_in(town, "near") as browser:
        address = f"/administration/{table}/{key}"
        page = browser.post(address, data={**fields_of(browser.get(address).text), **changes, "step": "save"})
        assert page.status_code == 422
        place = page.text.index(f'id="{field}"')
        around = page.text[max(0, place - 900) : place + 900]
        assert says in html.unescape(around)


def test_nobody_moves_a_person_into_the_area_of_somebody_else(town: Engine) -> None:
    """The form is refused, wherever it says so, and a device or a contact cannot be used as a bridge."""
    with logged_in(town, "near") as browser:
        assert save(browser, "/administration/people/p-0003", area=FAR) == 422
        assert save(browser, "/administration/devices/d-0003", area=FAR) == 422
        new = {"key": "p-new", "name": "New", "area": FAR, "step": "check"}
        assert browser.post("/administration/people/new", data=new).status_code == 422
    with logged_in(town, "far") as browser:
        for address in ("people/p-0003", "devices/d-0003", f"responders/{ZHANG}", "contacts/p-0003~x"):
            for method in ("GET", "POST"):
                assert browser.request(method, f"/administration/{address}").status_code == 404, address
            assert browser.post(f"/administration/{address}/remove").status_code == 404
        contact = {"person": "p-0003", "responder": ZHANG, "relation": "family", "step": "check"}
        assert browser.post("/administration/contacts/new", data=contact).status_code == 422
        taken = {"key": "p-0003", "name": "Mine now", "area": FAR, "step": "check"}
        assert browser.post("/administration/people/new", data=taken).status_code == 422
        for table in ("people", "responders", "devices", "contacts"):
            page = browser.get(f"/administration/{table}?q=0").text
            assert "Zhao" not in page
            assert "d-0003" not in page
        assert "Zhang" not in browser.get("/administration/responders").text
    now = entry(town, "people", "p-0003")
    assert isinstance(now, PersonEntry)
    assert (now.area, now.name) == (HOME, "Zhao Dehua")


def test_a_contact_makes_a_responder_and_takes_them_along_when_it_goes(town: Engine) -> None:
    """Only with the last one who names them."""
    with logged_in(town, "near") as browser:
        assert (
            save(
                browser, "/administration/contacts/new?person=p-0003", name="Zhao Lei", phone="+86 1", relation="family"
            )
            == 303
        )
        page = browser.get("/administration/contacts?q=Zhao")
        address = html.unescape(re.findall(r'href="(/administration/contacts/p-0003[^"]*)"', page.text)[0])
        responder = address.rpartition("~")[2].rpartition("%7E")[2]
        made = entry(town, "responders", responder)
        assert isinstance(made, ResponderEntry)
        assert (made.name, made.contact_of, made.area, made.phone) == ("Zhao Lei", "p-0003", HOME, "+86 1")
        shown = browser.post(f"{address}/remove")
        assert responder in shown.text
        assert browser.post(f"{address}/remove", data={**fields_of(shown.text), "step": "save"}).status_code == 303
    assert entry(town, "responders", responder) is None
    assert entry(town, "contacts", ("p-0003", responder)) is None


def test_a_person_goes_with_what_is_about_them_and_leaves_the_device(town: Engine) -> None:
    """Everything that goes stands in the preview."""
    with logged_in(town, "near") as browser:
        shown = browser.post("/administration/people/p-0004/remove")
        assert "d-0004" in shown.text
        assert isinstance(entry(town, "people", "p-0004"), PersonEntry)
        done = browser.post("/administration/people/p-0004/remove", data={**fields_of(shown.text), "step": "save"})
        assert done.headers["location"].endswith("said=removed")
    assert entry(town, "people", "p-0004") is None
    device = entry(town, "devices", "d-0004")
    assert isinstance(device, DeviceEntry)
    assert (device.person, device.area) == (None, HOME)


def test_secrets_are_never_in_a_page_and_stay_when_their_field_is_empty(town: Engine) -> None:
    """Of a channel: what it leads to is cut, and an empty address is the one that is there."""
    with logged_in(town, "near") as browser:
        page = browser.get(f"/administration/responders/{ZHANG}").text
        assert "whsec_" not in page
        assert "/hook" not in page
        assert "http://127.0.0.1:9/…" in page
        assert save(browser, f"/administration/responders/{ZHANG}", name="Zhang Min") == 303
        assert "+86 138" not in browser.get("/administration/people").text
    now = entry(town, "responders", ZHANG)
    assert isinstance(now, ResponderEntry)
    assert now.name == "Zhang Min"
    assert now.channels[0].url == "http://127.0.0.1:9/hook"
    assert now.channels[0].secret.startswith("whsec_")
    with town.connect() as connection:
        for row in connection.execute(select(audit.c.data).where(audit.c.what == "registry")).scalars():
            assert "whsec_" not in str(row)


def test_a_responder_leaves_the_order_and_who_stood_behind_moves_up(town: Engine) -> None:
    """No gap, nobody called who is not there."""
    with logged_in(town, "near") as browser:
        shown = browser.post(f"/administration/responders/{ZHANG}/remove")
        done = browser.post(
            f"/administration/responders/{ZHANG}/remove", data={**fields_of(shown.text), "step": "save"}
        )
        assert done.status_code == 303
    found = registry.directory(town, secrets=False)
    assert [one.id for one in found.on_call[HOME]] == [WANG]


def test_the_overview_counts_and_names_what_needs_attention_in_the_own_areas(town: Engine) -> None:
    """Who lives alone without a contact; nothing of other areas."""
    with logged_in(town, "near") as browser:
        page = browser.get("/administration").text
        assert "Li Guizhen" in page
        assert "people who live alone" in page
    with logged_in(town, "far") as browser:
        assert "Li Guizhen" not in browser.get("/administration").text


def test_what_is_stored_may_be_anything(town: Engine) -> None:
    """Markup, ten thousand characters, right to left, emoji."""
    odd = "<script>alert(1)</script> \u202eאב 🏠"
    with logged_in(town, "near") as browser:
        assert save(browser, "/administration/people/p-0003", name=odd) == 303
        page = browser.get("/administration/people").text
        assert "<script>alert" not in page
        assert save(browser, "/administration/people/p-0003", name="x" * 10_000) == 422
        kin = entry(town, "people", "p-0003")
        assert isinstance(kin, PersonEntry)
        assert kin.name == odd
        assert not isinstance(kin, ContactEntry)


def test_a_test_message_goes_out_once_and_says_who_sent_it(town: Engine) -> None:
    """By the outbox of alarms; for the own responders only."""
    with logged_in(town, "near") as browser:
        assert browser.post(f"/administration/responders/{WANG}/test").headers["location"].endswith("sent")
        assert browser.post(f"/administration/responders/{WANG}/test").headers["location"].endswith("wait")
    with logged_in(town, "far") as browser:
        assert browser.post(f"/administration/responders/{WANG}/test").status_code == 404
    with town.connect() as connection:
        waiting = connection.execute(select(notification.c.responder, notification.c.status)).all()
        (who,) = connection.execute(select(audit.c.who).where(audit.c.what == "test_sent")).scalars()
    assert [tuple(row) for row in waiting] == [(WANG, "pending")]
    assert who == "near"


def test_a_door_code_is_sealed_and_never_shown_again(town: Engine) -> None:
    """Not on the form, not in the audit; an empty field keeps it, and it goes when somebody says so."""
    url = town.url
    key = draw_key()
    sealed = registry.create_engine(url.render_as_string(hide_password=False), keys=registry.Keys(lambda: key))
    address = "/administration/people/p-0003"
    try:
        with logged_in(sealed, "near") as browser:
            assert save(browser, address, door_code="4711#") == 303
            assert "4711" not in browser.get(address).text
            assert save(browser, address, address="Elsewhere") == 303
            kept = entry(sealed, "people", "p-0003")
            assert isinstance(kept, PersonEntry)
            assert (kept.door_code, kept.address) == ("4711#", "Elsewhere")
            with sealed.connect() as connection:
                stored = connection.execute(select(people.c.door_code).where(people.c.key == "p-0003")).scalar_one()
                said = str(connection.execute(select(audit.c.data)).scalars().all())
            assert stored.startswith("sealed:")
            assert "4711" not in said
            assert "door_code" in said
            assert save(browser, address, door_code_off="1") == 303
        gone = entry(sealed, "people", "p-0003")
        assert isinstance(gone, PersonEntry)
        assert gone.door_code == ""
    finally:
        sealed.dispose()
