"""Import with a preview, export, policies, silences, users and the audit in the console."""

from __future__ import annotations

import html
import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from console.access import sessions, users
from console.access.models import audit
from console.access.rules import Role, Scope
from console.app import create_app
from console.settings import ConsoleSettings
from registry.editing import load_entry
from registry.entries import PersonEntry, PolicyEntry, SilenceEntry
from registry.models import area as areas
from registry.rows import raise_revision
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import LINK_KEY, ZHANG, fall, take
from tests.console.test_administration import fields_of
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
FAR = "chongqing.yubei.other"
_SECRET = "whsec_"


@pytest.fixture
def town(built: Path, tmp_path: Path) -> Iterator[Engine]:
    """The district, a street beside it, and users of both."""
    engine = copy_of(built, tmp_path)
    with registry.writing(engine) as connection:
        connection.execute(areas.insert(), [{"path": FAR, "name": "Other street"}])
    add_user(engine, "near", Role.COORDINATOR, areas=(HOME,))
    add_user(engine, "far", Role.COORDINATOR, areas=(FAR,))
    add_user(engine, "anna", Role.ADMINISTRATOR)
    yield engine
    engine.dispose()


@pytest.fixture
def app(town: Engine, clock: Clock) -> FastAPI:
    """The console over it."""
    return create_app(town, ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai"), now_ms=clock)


def upload(browser: TestClient, **files: str) -> str:
    """Bring files; the page when it was looked at them. Underscores in names stand for dots."""
    parts = [("files", (name.replace("__", "."), text.encode())) for name, text in files.items()]
    sent = browser.post("/administration/import", files=parts)
    assert sent.status_code == 303
    return settled(browser, sent.headers["location"])


def settled(browser: TestClient, address: str) -> str:
    """The page of an upload as soon as nothing is done with it."""
    for _ in range(400):
        page: str = browser.get(address).text
        if "<progress" not in page:
            return page
        time.sleep(0.02)
    raise AssertionError("it is still at work")


def job_of(page: str) -> str:
    """The upload that a page can write."""
    token: str = re.findall(r'name="job" value="([^"]*)"', page)[0]
    return token


_ROWS = "key,name,area\np-0003,Zhao Dehua,{home}\np-0100,New <b>One</b>,{home}\n"


def test_an_import_writes_exactly_what_was_shown(town: Engine, app: FastAPI) -> None:
    """With a row of the audit for each change; and it is refused where somebody changed the registry meanwhile."""
    with browser_of(app, town, "near", NOON_MS) as browser:
        page = upload(browser, people__csv=_ROWS.format(home=HOME), notes__txt="x")
        assert "would change: 2." in page
        assert "New &lt;b&gt;One&lt;/b&gt;" not in page  # the key says which row
        assert "p-0100" in page
        assert "notes.txt" in html.unescape(page)
        job = job_of(page)
        with registry.writing(town) as connection:
            raise_revision(connection)
        late = browser.post("/administration/import/confirm", data={"job": job})
        outdated = settled(browser, late.headers["location"])
        assert "Nothing was written" in outdated
        again = browser.post("/administration/import/again", data={"job": job})
        assert "would change: 2." in settled(browser, again.headers["location"])
        done = browser.post("/administration/import/confirm", data={"job": job})
        assert "Rows changed: 2." in settled(browser, done.headers["location"])
        nothing = browser.post("/administration/import/confirm", data={"job": job})
        assert "Rows changed: 2." in settled(browser, nothing.headers["location"])
    with browser_of(app, town, "far", NOON_MS) as other:
        assert "not there any more" in other.get(f"/administration/import?job={job}").text
    with town.connect() as connection:
        added = load_entry(connection, "people", "p-0100")
        rows = connection.execute(select(audit).where(audit.c.what.in_(["registry", "import"]))).mappings().all()
    assert isinstance(added, PersonEntry)
    assert added.name == "New <b>One</b>"
    assert {(row["what"], row["who"], row["subject"]) for row in rows} == {
        ("import", "near", "people.csv"), ("registry", "near", "p-0003"), ("registry", "near", "p-0100"),
    }  # fmt: skip


def test_rows_of_other_areas_are_refused_with_file_and_line(town: Engine, app: FastAPI) -> None:
    """Whatever they say; nothing of the file is written, and nothing of what is there is told."""
    with browser_of(app, town, "far", NOON_MS) as browser:
        page = upload(
            browser,
            people__csv=f"key,name,area\np-0200,Mine,{FAR}\np-0003,Zhao Dehua,{HOME}\np-0001,Taken,{FAR}\n",
            on_call__yaml=f"{FAR}: [{ZHANG}]\n",
        )
        assert "people.csv:3" in page
        assert "people.csv:4" in page
        assert "people.csv:2" not in page
        assert "There is no such responder" in page
        assert "Li Guizhen" not in page
        assert 'action="/administration/import/confirm"' not in page
        limits = upload(browser, people__csv=f"key,name,area,limits\np-0200,Mine,{FAR},hr_fast_bpm=130\n")
        assert "set by clinicians" in limits
        assert "at most 20 MB" in browser.get("/administration/import?fault=big").text
        assert browser.get("/administration/users").status_code == 403
        assert browser.get("/administration/audit").status_code == 403
    with town.connect() as connection:
        assert load_entry(connection, "people", "p-0200") is None


def test_an_export_has_the_own_areas_and_no_secrets(town: Engine, app: FastAPI) -> None:
    """Unless an administrator of everything asks for them; it is in the audit."""

    def files(browser: TestClient, **form: str) -> dict[str, str]:
        answer = browser.post("/administration/export", data={"form": "csv", **form})
        assert answer.status_code == 200
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}

    with browser_of(app, town, "near", NOON_MS) as browser:
        near = files(browser)
        assert "p-0003" in near["people.csv"]
        assert _SECRET not in near["responders.csv"]
        assert browser.post("/administration/export", data={"form": "csv", "secrets": "1"}).status_code == 400
    with browser_of(app, town, "far", NOON_MS) as browser:
        assert "p-0003" not in "".join(files(browser).values())
    with browser_of(app, town, "anna", NOON_MS) as browser:
        assert _SECRET in files(browser, secrets="1")["responders.csv"]
    with town.connect() as connection:
        seen = connection.execute(select(audit.c.who, audit.c.subject).where(audit.c.kind == "export")).all()
    assert [tuple(row) for row in seen] == [("near", "csv"), ("far", "csv"), ("anna", "secrets")]


def test_a_policy_is_built_step_by_step_and_says_who_would_be_called(town: Engine, app: FastAPI) -> None:
    """Steps are added and moved without a script; mistakes are named; the preview has the order with its seconds."""
    address = "/administration/policies/new"
    with browser_of(app, town, "near", NOON_MS) as browser:
        typed = {**fields_of(browser.get(address).text), "id": "quick", "area": HOME, "step_0_tier": "own"}
        more = fields_of(browser.post(address, data={**typed, "step": "add"}).text)
        assert more["steps"] == "2"
        assert more["step_0_tier"] == "own"
        more |= {"step_1_responders": "r-wang", "step_1_after_s": "45"}
        moved = fields_of(browser.post(address, data={**more, "step": "up.1"}).text)
        assert (moved["step_0_responders"], moved["step_1_tier"]) == ("r-wang", "own")
        wrong = browser.post(address, data={**moved, "step_0_responders": "r-none", "step": "check"})
        assert wrong.status_code == 422
        assert "no such responder" in html.unescape(wrong.text)
        shown = browser.post(address, data={**moved, "step": "check"})
        order = re.findall(r"<td>(\d+) s</td><td[^>]*><bdi>([^<]*)", shown.text)
        assert order == [("0", "Wang Fang"), ("45", "Zhang Min 张敏")]
        saved = browser.post(address, data={**fields_of(shown.text), "step": "save"})
        assert saved.headers["location"] == "/administration/policies?said=saved"
        assert "quick" in browser.get("/administration/policies").text
        asked = browser.get("/administration/calls?who=p-0003&kind=fall").text
        assert re.findall(r"<td>(\d+) s</td>", asked) == ["0", "45"]
        elsewhere = {**typed, "id": "other", "area": FAR, "step": "check"}
        assert browser.post(address, data=elsewhere).status_code == 422
    with browser_of(app, town, "far", NOON_MS) as browser:
        assert browser.get("/administration/policies/quick").status_code == 404
        assert browser.post("/administration/policies/quick/remove", data={"step": "save"}).status_code == 404
        assert "quick" not in browser.get("/administration/policies").text
        assert "Zhang" not in browser.get("/administration/calls?who=p-0003").text
    with town.connect() as connection:
        policy = load_entry(connection, "policies", "quick")
    assert isinstance(policy, PolicyEntry)
    assert [step.responders for step in policy.steps] == [("r-wang",), ()]


def test_a_silence_holds_until_it_is_ended(town: Engine, app: FastAPI, clock: Clock) -> None:
    """With end and reason; of the own areas only; an SOS cannot be silenced."""
    form = {"person": "p-0003", "end": "2026-03-02T18:00", "reason": "Works in the house"}
    with browser_of(app, town, "near", NOON_MS) as browser:
        for wrong in ({"kinds": "sos"}, {"reason": ""}, {"end": "2026-03-01T18:00"}, {"area": HOME}):
            assert browser.post("/administration/silences", data={**form, **wrong}).status_code == 422, wrong
        assert browser.post("/administration/silences", data=form).headers["location"].endswith("saved")
        page = browser.get("/administration/silences").text
        assert "Works in the house" in page
        (address,) = set(re.findall(r'action="(/administration/silences/[^"]*/end)"', page))
    with browser_of(app, town, "far", NOON_MS) as browser:
        assert "Works" not in browser.get("/administration/silences").text
        assert browser.post(address).status_code == 404
        assert browser.post("/administration/silences", data=form).status_code == 422
    clock.now_ms += 3_600_000
    with browser_of(app, town, "near", clock.now_ms) as browser:
        assert browser.post(address).headers["location"].endswith("ended")
        assert browser.post(address).headers["location"].endswith("same")
    (silence,) = registry.directory(town).silences
    assert isinstance(silence, SilenceEntry)
    assert (silence.begin, silence.end) == ("2026-03-02T12:00:00", "2026-03-02T13:00:00")


def test_an_administrator_invites_changes_and_disables_users(town: Engine, app: FastAPI) -> None:
    """The link is shown once; what cannot be is said; the last administrator stays one."""
    with browser_of(app, town, "anna", NOON_MS) as browser:
        new = {"login": "zhang", "full_name": "Zhang Min", "areas": HOME, "responder": ZHANG, "roles": ["responder"]}
        assert "at least one role" in browser.post("/administration/users", data={**new, "roles": []}).text
        assert "no area" in html.unescape(browser.post("/administration/users", data={**new, "areas": "x.y"}).text)
        made = browser.post("/administration/users", data=new)
        (link,) = re.findall(r"http://[^<]*/welcome/[\w-]+", made.text)
        assert browser.get(link.partition("8080")[2]).status_code == 200
        with registry.writing(town) as connection:
            one = users.find_user(connection, "zhang")
            sessions.make_token(connection, one, "board", [Scope.READ_INCIDENTS], days=30, now_ms=NOON_MS)
            (token,) = sessions.list_tokens(connection, one.id, NOON_MS)
        own = f"/administration/users/{one.id}"
        page = browser.get(own).text
        assert "/welcome/" not in page
        assert browser.post(own, data={**new, "roles": ["responder", "coordinator"]}).status_code == 303
        assert browser.post(f"{own}/token", data={"token": token.id}).status_code == 303
        for what in ("out", "second", "disable", "enable"):
            assert browser.post(f"{own}/{what}").status_code == 303, what
        assert browser.post(f"{own}/nonsense").status_code == 404
        with town.connect() as connection:
            anna = users.find_user(connection, "anna")
        assert "last administrator" in browser.post(f"/administration/users/{anna.id}/disable").text
        assert browser.get("/administration/users/99999").status_code == 404
    with town.connect() as connection:
        now = users.find_user(connection, "zhang")
        assert now.roles == {Role.RESPONDER, Role.COORDINATOR}
        assert sessions.list_tokens(connection, now.id, NOON_MS) == []
        done = set(connection.execute(select(audit.c.what).where(audit.c.subject == "zhang")).scalars())
    assert done >= {"user_added", "user_changed", "token_ended", "session_ended", "second_factor"}


def test_the_audit_is_one_list_by_time_and_ends(town: Engine, app: FastAPI) -> None:
    """Console, incidents and thresholds together; filtered; each row once over the pages; as a file; by area."""
    for number in range(45):
        take(town, NOON_MS - 1000 * number, fall("d-0003", NOON_MS - 900_000_000 - 4_000_000 * number))
    with browser_of(app, town, "anna", NOON_MS) as browser:
        browser.get("/people/p-0003")
        first = browser.get("/administration/audit")
        assert first.status_code == 200
        assert "Zhao Dehua" in first.text
        whole = browser.get("/administration/audit.csv").text.splitlines()
        address: str | None = "/administration/audit"
        seen = 0
        while address is not None:
            page = browser.get(address).text
            seen += page.count("<tr><td><time")
            further = re.findall(r'rel="next" href="([^"]*)"', page)
            address = "/administration/audit" + html.unescape(further[0]) if further else None
        assert seen == len(whole) - 1
        assert seen > 100
        only = browser.get("/administration/audit.csv?about=p-0003&what=view").text.splitlines()
        assert len(only) == 2
        assert "p-0003" in only[1]
        assert browser.get("/administration/audit?since=2030-01-01&after=garbage&until=x").status_code == 200
    add_user(town, "street", Role.ADMINISTRATOR, areas=(FAR,))
    with browser_of(app, town, "street", NOON_MS) as browser:
        assert "p-0003" not in browser.get("/administration/audit.csv").text
        assert browser.get("/administration/users").status_code == 403
