"""Every page of the console: what the checks and the pictures go through. A new page is one line."""

from __future__ import annotations

from typing import NamedTuple

from tests.browser.demo import Demo


class PageOf(NamedTuple):
    """``name`` in tests and files of pictures; ``path`` with what a district has filled in; ``user`` looks at it."""

    name: str
    path: str
    user: str = "admin"

    def address(self, demo: Demo) -> str:
        """Where it is in a district."""
        return self.path.format(demo=demo)


PAGES = (
    PageOf("board", "/"),
    PageOf("incident", "/incidents/{demo.waiting}"),
    PageOf("incident-taken", "/incidents/{demo.taken}"),
    PageOf("incident-closed", "/incidents/{demo.closed}"),
    PageOf("board-wall", "/board?wall=1", user="coordinator"),
    PageOf("incident-refer", "/incidents/{demo.taken}/refer", user="coordinator"),
    PageOf("guide-responder", "/guides/responder", user="zhang"),
    PageOf("guide-coordinator", "/guides/coordinator", user="coordinator"),
    PageOf("people", "/people"),
    PageOf("person", "/people/{demo.person}"),
    PageOf("person-week", "/people/{demo.person}?range=7d"),
    PageOf("thresholds", "/people/{demo.person}/thresholds"),
    PageOf("coverage", "/coverage"),
    PageOf("on-call", "/on-call", user="zhang"),
    PageOf("on-call-month", "/on-call?view=month&area=lianhu.taoyuan", user="coordinator"),
    PageOf("on-call-change", "/on-call/change?roster=taoyuan-night", user="coordinator"),
    PageOf("devices", "/devices"),
    PageOf("device", "/devices/d-0008"),
    PageOf("quarantine", "/quarantine"),
    PageOf("quarantine-entry", "/quarantine/{demo.entry}"),
    PageOf("reports", "/reports?period=7d", user="coordinator"),
    PageOf("administration", "/administration", user="coordinator"),
    PageOf("admin-people", "/administration/people", user="coordinator"),
    PageOf("admin-responder", "/administration/responders/r-zhang"),
    PageOf("admin-policy", "/administration/policies/new"),
    PageOf("admin-silences", "/administration/silences"),
    PageOf("admin-import", "/administration/import"),
    PageOf("admin-user", "/administration/users/2"),
    PageOf("admin-audit", "/administration/audit"),
    PageOf("login", "/login", user=""),
    PageOf("account", "/account"),
    PageOf("link", "/ack/{demo.link}", user=""),
    PageOf("link-taken", "/ack/{demo.taken_link}", user=""),
    PageOf("not-found", "/nowhere"),
)
