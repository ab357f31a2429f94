"""Administration in a browser: a row by its form, steps without a reload, files with a preview."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Desk


def test_a_row_a_channel_and_a_file_are_changed_by_hand(desk: Desk) -> None:
    """On a phone: look at what changes, then save; a channel is added in place; a file is written as it was shown."""
    page = desk.open("/administration/people/p-0003", size="phone")
    page.get_by_label("Address").fill("Building 12")
    page.get_by_label("Address").press("Enter")
    expect(page.locator("#preview")).to_contain_text("Building 12")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")

    page.goto("/administration/responders/r-zhang")
    page.get_by_label("Name").fill("Typed before")
    page.get_by_role("button", name="Add a channel").click()
    expect(page.get_by_label("Kind of channel")).to_have_count(2)
    expect(page.get_by_label("Name")).to_have_value("Typed before")

    page.goto("/administration/import")
    expect(page.get_by_role("link", name="Import and export")).to_be_in_viewport()
    rows = "key,name,area\np-0003,Zhao Dehua,chongqing.yubei.longxi.shimahe\n"
    page.get_by_label("Files", exact=True).set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("#job")).to_contain_text("would change: 1.")
    page.get_by_role("button", name="Write exactly this").click()
    expect(page.locator("#job")).to_contain_text("Rows changed: 1.")
