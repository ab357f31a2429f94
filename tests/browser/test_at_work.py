"""The board and an incident as people use them: by keyboard, two at a time, with a network that goes and comes back."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Dialog, Page, expect

import console.access.database
import registry
from alerts import actions
from alerts.lifecycle import Outcome, State
from alerts.queries import incident_detail
from console.access.rules import Role
from console.app import wall_clock_ms
from registry import models
from tests.alerts.story import Story, telling
from tests.browser.checks import assert_fits
from tests.browser.conftest import Desk
from tests.browser.site import Site, running_site
from tests.console.district import PEOPLE, fall, incident_of, take
from tests.console.test_pages import HOSTILE
from tests.console.users import add_user
from tests.servers.sink import Sink

SOON_MS = 10_000


def happen(site: Site, device: str = "d-0001") -> str:
    """A fall is found now; returns its incident."""
    now_ms = wall_clock_ms()
    take(site.engine, now_ms, fall(device, now_ms - 4000))
    return incident_of(site.engine, device)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something has the focus, as somebody without a mouse does."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def test_an_incident_is_taken_with_the_keyboard_alone(desk: Desk, site: Site) -> None:
    """To its card, into it, and acknowledged; what has the focus can be seen."""
    incident = happen(site)
    page = desk.open()
    tab_to(page, "article h3 a")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{incident}")
    tab_to(page, "#acknowledge")
    page.keyboard.press("Enter")
    expect(page.locator(".flash")).to_contain_text("Acknowledged")
    detail = incident_detail(site.engine, incident)
    assert detail is not None
    assert detail.incident.state is State.ACKNOWLEDGED


def test_a_new_incident_is_on_the_open_board_within_a_second(desk: Desk, site: Site) -> None:
    """Without loading the page again; the title says it, and a screen reader hears it."""
    page = desk.open()
    expect(page.locator("[data-part=none]")).to_be_visible()
    page.evaluate("window.mark = 1")
    page.wait_for_function("document.body.dataset.revision")
    page.wait_for_timeout(300)  # the stream is there
    page.evaluate(
        """() => { window.seen = new Promise((done) => new MutationObserver(() => {
            if (document.querySelector("[data-list=waiting] article")) done(Date.now());
        }).observe(document.body, { childList: true, subtree: true })); }"""
    )
    began_ms = wall_clock_ms()
    happen(site)
    assert page.evaluate("window.seen") - began_ms < 1000
    expect(page).to_have_title(re.compile("^NEW: Fall: Li Guizhen"))
    assert page.evaluate("window.mark") == 1
    expect(page.locator("#announce")).to_contain_text("Li Guizhen")
    expect(page.locator("[data-part=none]")).to_be_hidden()


def test_a_board_without_network_says_so_and_catches_up(desk: Desk, site: Site) -> None:
    """The banner comes, and goes when the network is back, with what happened meanwhile."""
    desk.allowed = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "/events")
    page = desk.open()
    expect(page.locator("#live")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("#live")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#live")).to_contain_text("Connection lost")
    happen(site)
    assert page.locator("article").count() == 0
    page.context.set_offline(False)
    expect(page.locator("[data-list=waiting] article")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#live")).to_be_hidden()


def test_two_who_press_at_the_same_moment_have_one_winner(desk: Desk, site: Site) -> None:
    """The other one is told who was first."""
    incident = happen(site)
    pages = [desk.open(f"/incidents/{incident}", user=user, size="phone") for user in ("zhang", "wang")]
    at_ms = wall_clock_ms() + 700
    for page in pages:
        page.evaluate(
            "(at) => { setTimeout(() => document.getElementById('acknowledge').click(), at - Date.now()); }", at_ms
        )
    for page in pages:
        page.wait_for_url("**said=*", timeout=SOON_MS)
    said = {page: page.locator(".flash").first.inner_text() for page in pages}
    detail = incident_detail(site.engine, incident)
    assert detail is not None
    winner = detail.incident.acknowledged_by_name
    assert sorted("Acknowledged" in text for text in said.values()) == [False, True], said
    (lost,) = [text for text in said.values() if "Acknowledged" not in text]
    assert f"{winner} was first" in lost


def test_who_presses_a_button_that_was_another_moment_ago_is_told_who_was_first(desk: Desk, site: Site) -> None:
    """The desk acts for Wang on a page that is a moment old, while Zhang's phone has taken it; then it is closed."""
    incident = happen(site)
    board = desk.open("/", size="desktop")
    phone = desk.open(f"/incidents/{incident}", user="zhang", size="phone")
    form = "form[action$='/acknowledge']"
    board.locator(form).evaluate("(form) => { window.kept = form.cloneNode(true); window.kept.hidden = true; }")
    phone.locator("#acknowledge").tap()
    expect(phone.locator(".flash")).to_contain_text("Acknowledged")
    expect(board.locator("[data-list=taken] article")).to_contain_text("Zhang Min 张敏 has it")
    expect(board.locator(form)).to_have_count(0)
    board.evaluate("() => { document.body.append(window.kept); window.kept.requestSubmit(); }")
    expect(board.locator(".flash.warning")).to_contain_text("Zhang Min 张敏 was first")
    expect(phone.locator("#door-show")).to_be_visible()
    phone.locator("#door-show").tap()
    expect(phone.locator("#door")).to_contain_text("No door code is stored")


def test_stored_text_breaks_no_page(desk: Desk, site: Site) -> None:
    """Markup, names of 10,000 letters, right to left, emoji: no script runs, and nothing is wider than a phone."""
    now_ms = wall_clock_ms()
    keys = [str(row["key"]) for row in PEOPLE]
    take(site.engine, now_ms, *(fall(f"d-{key[2:]}", now_ms - 4000) for key in keys))
    incidents = [f"/incidents/{incident_of(site.engine, f'd-{key[2:]}')}" for key in keys]
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    def look(page: Page, *paths: str) -> None:
        for path in paths:
            page.goto(path)
            assert page.locator("h1").count() == 1
            assert_fits(page)
            assert page.locator("main script, main img[src=x], main h1 h1").count() == 0

    pages = [desk.open(size=size) for size in ("phone", "desktop")]
    rename(site, keys, 10_000)
    for page in pages:
        page.on("dialog", refuse)
        look(page, "/", *incidents, "/people")
    rename(site, keys, 200)  # what the registry takes
    look(pages[0], *(f"/people/{key}" for key in keys))
    assert dialogs == []


def rename(site: Site, keys: list[str], longest: int) -> None:
    """Everything that has a name gets a hostile one, past the import's checks: a database may hold anything."""
    with registry.writing(site.engine) as connection:
        connection.execute(models.area.update().values(name=HOSTILE[1]))
        connection.execute(models.responder.update().values(name=HOSTILE[2] + HOSTILE[7]))
        for key, text in zip(keys, (HOSTILE[0], *HOSTILE[3:]), strict=False):
            values = {"name": text[:longest], "address": text[:longest], "phone": text[:64], "risks": [text[:64]]}
            connection.execute(models.person.update().where(models.person.c.key == key).values(values))


def hand_over_and_back(desk: Page, phone: Page, story: Story) -> None:
    """The coordinator asks Ann to take it over; it stays Bob's, as she cannot."""
    desk.locator("#hand-over summary").click()
    desk.locator("#to").select_option(label="Ann")
    desk.locator("#hand_over").click()
    expect(desk.locator(".flash")).to_contain_text("until they acknowledge")
    expect(phone.locator("[data-part=head]")).to_contain_text("Ann is asked to take it over")
    story.forward(1)
    assert "ann" in story.told()
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms, via="link")
    expect(phone.locator("[data-part=head]")).not_to_contain_text("Ann is asked")
    expect(phone.locator("[data-part=head]")).to_contain_text("Bob has it")


def test_a_fall_is_lived_through_by_two_at_once(chromium: Browser, tmp_path: Path, sink: Sink) -> None:
    """From the detection in the journal to what it was: the desk watches while a responder's phone acts."""
    engine = registry.create_engine(f"sqlite:///{tmp_path}/carecircle.db")
    registry.upgrade(engine)
    console.access.database.upgrade(engine)
    with telling(engine, tmp_path, sink) as story:
        story.now_ms = wall_clock_ms()
        add_user(engine, "desk", Role.COORDINATOR, full_name="Desk")
        add_user(engine, "bob", Role.RESPONDER, areas=("d.street",), responder="bob", full_name="Bob")
        with running_site(engine, now_ms=lambda: max(wall_clock_ms(), story.now_ms)) as site:
            windows = Desk(chromium, site)
            desk, phone = windows.open(), windows.open(user="bob", size="phone")
            story.happens()
            for page in (desk, phone):
                expect(page.locator("[data-list=waiting] article")).to_contain_text("Being called: Ann")
            story.forward(31)  # Ann does not answer
            assert story.told() == ["ann", "bob"]
            expect(desk.locator("[data-list=waiting] article")).to_contain_text("Being called: Bob, Ann")

            phone.locator("article h3 a").tap()
            phone.locator("#acknowledge").tap()
            expect(phone.locator(".flash")).to_contain_text("Acknowledged")
            expect(desk.locator("[data-list=taken] article")).to_contain_text("Bob has it")
            expect(desk.locator("[data-list=waiting] article")).to_have_count(0)
            desk.locator("article h3 a").click()
            hand_over_and_back(desk, phone, story)
            for step, shown in (("en_route", "On the way"), ("on_scene", "On scene")):
                phone.locator(f"#{step}").tap()
                expect(desk.locator("[data-part=head] .tags")).to_contain_text(shown)
            phone.locator("#outcome").select_option("true")
            phone.locator("#note").fill("hip hurts, in hospital")
            phone.locator("#resolve").tap()
            expect(desk.locator("[data-part=log]")).to_contain_text("Closed: Bob, True alarm, “hip hurts, in hospital”")
            expect(desk.locator("[data-part=acts] button")).to_have_count(0)
            desk.goto("/")
            expect(desk.locator("[data-list=recent] article")).to_contain_text("True alarm")
            windows.close()
        incident = story.incident()
        assert (incident.state, incident.outcome) == (State.RESOLVED, Outcome.TRUE)
        story.forward(3600)
        assert story.told() == []  # nobody is called any more
    engine.dispose()
