"""One's own account, API tokens, invitations, and the first administrator."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, delete, select
from typer.testing import CliRunner

import registry
from alerts.lifecycle import State
from alerts.queries import incident_detail
from carecircle.cli import app as command_line
from console.access import models, passwords, second, users
from console.access.account import device_of
from console.access.audit import Event, record_view
from console.access.database import upgrade
from console.access.errors import BadUserError
from console.access.rules import Role, Scope
from console.access.sessions import find_by_token, make_token
from console.access.viewer import this_machine
from console.app import create_app
from console.settings import ConsoleSettings
from registry import writing
from registry.keys import Keys, draw_key, is_sealed
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, ZHANG, fall, incident_of, take
from tests.console.users import add_user, browser_of, form_of

PASSWORD, OTHER = "four horses at noon", "three boats on a lake"
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def app(engine: Engine, clock: Clock) -> FastAPI:
    """The console with a fall in Shimahe; anna coordinates."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    add_user(engine, "anna", Role.COORDINATOR, password=PASSWORD)
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=clock)


@pytest.fixture
def anna(app: FastAPI, engine: Engine) -> Iterator[TestClient]:
    """A browser in which she is logged in."""
    with browser_of(app, engine, "anna", NOON_MS) as browser:
        yield browser


def token(engine: Engine, name: str, *scopes: Scope, days: int = 30) -> str:
    """A new API token of a user."""
    with writing(engine) as connection:
        return make_token(connection, users.find_user(connection, name), "test", scopes, days=days, now_ms=NOON_MS)


def test_a_new_password_ends_every_other_session(app: FastAPI, engine: Engine, anna: TestClient) -> None:
    """And the one that changed it begins anew."""
    with browser_of(app, engine, "anna", NOON_MS) as other:
        before = anna.cookies["session"]
        body = {"old": PASSWORD, "password": OTHER, "again": OTHER}
        assert anna.post("/account/password", data=body).status_code == 303
        assert other.get("/").status_code == 303
        assert anna.cookies["session"] != before
        assert anna.get("/").status_code == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"old": "wrong", "password": OTHER, "again": OTHER}, "not your present password"),
        ({"old": PASSWORD, "password": OTHER, "again": OTHER + "s"}, "not the same"),
        ({"old": PASSWORD, "password": "short", "again": "short"}, "too short"),
        ({"old": PASSWORD, "password": "anna1234567", "again": "anna1234567"}, "contains your name"),
    ],
)
def test_a_password_that_will_not_do_says_why_beside_its_field(
    engine: Engine, anna: TestClient, body: dict[str, str], told: str
) -> None:
    """With a summary that leads to the field; the old one stays."""
    answer = anna.post("/account/password", data=body)
    assert answer.status_code == 400
    assert answer.text.count(told) == 2
    field = re.search(r'<li><a href="#(\w+)">', answer.text)
    assert field is not None
    assert re.search(
        rf'id="{field[1]}"[^>]*aria-describedby="[^"]*{field[1]}-error[^"]*" aria-invalid="true"', answer.text
    )
    with engine.connect() as connection:
        kept = connection.execute(select(models.user.c.password)).scalar()
    assert passwords.is_password(kept or "", PASSWORD)


def test_sessions_are_ended_from_another_device(app: FastAPI, engine: Engine, anna: TestClient) -> None:
    """One, or all but this one; nobody ends those of others."""
    add_user(engine, "eve", Role.COORDINATOR)
    with browser_of(app, engine, "anna", NOON_MS) as other, browser_of(app, engine, "eve", NOON_MS) as eve:
        ends = re.findall(r'action="(/account/sessions/\w+/end)"', anna.get("/account").text)
        assert len(ends) == 1
        assert eve.post(ends[0]).status_code == 404
        assert other.get("/").status_code == 200
        assert anna.post(ends[0]).status_code == 303
        assert other.get("/").status_code == 303
    with browser_of(app, engine, "anna", NOON_MS) as third:
        assert anna.post("/account/sessions").status_code == 303
        assert third.get("/").status_code == 303
        assert anna.get("/").status_code == 200


def test_a_token_is_shown_once_and_may_what_its_scopes_say(app: FastAPI, engine: Engine, anna: TestClient) -> None:
    """Without cookie and form; what is stored does not lead back to it."""
    body = {"token_name": "wall", "scope": ["read:incidents"], "days": "30"}
    page = anna.post("/account/tokens", data=body).text
    found = re.search(r"<code>(cc_[A-Za-z0-9_-]{43})</code>", page)
    assert found is not None
    assert found[1] not in anna.get("/account").text
    with engine.connect() as connection:
        assert found[1] not in str(connection.execute(select(models.token)).all())
    with TestClient(app, base_url="http://127.0.0.1", headers={"authorization": f"Bearer {found[1]}"}) as program:
        answer = program.get("/api/incidents")
        assert answer.status_code == 200
        assert "Li Guizhen" in answer.text
        acknowledge = f"/incidents/{incident_of(engine, 'd-0001')}/acknowledge"
        assert program.post(acknowledge).status_code == 403
        assert program.get("/account").status_code == 403, "a token changes no account"
        assert "never used" not in anna.get("/account").text
        (end,) = re.findall(r'action="(/account/tokens/\d+/end)"', anna.get("/account").text)
        assert anna.post(end).status_code == 303
        refused = program.get("/api/incidents")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_program_acts_with_a_token_that_may(app: FastAPI, engine: Engine) -> None:
    """It needs no form."""
    secret = token(engine, "anna", Scope.ACT_INCIDENTS)
    incident = incident_of(engine, "d-0001")
    with TestClient(
        app, base_url="http://127.0.0.1", headers={"authorization": f"Bearer {secret}"}, follow_redirects=False
    ) as program:
        assert program.post(f"/incidents/{incident}/acknowledge", data={"as": ZHANG}).status_code == 303
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.state is State.ACKNOWLEDGED


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(("after_days", "disabled", "holds"), [(29, False, True), (30, False, False), (1, True, False)])
def test_a_token_ends_with_its_time_and_its_user(engine: Engine, after_days: int, disabled: bool, holds: bool) -> None:
    """Also when the user may log in again later."""
    secret = token(engine, "anna", Scope.READ_INCIDENTS)
    with writing(engine) as connection:
        one = users.find_user(connection, "anna")
        if disabled:
            users.change_user(connection, one.id, now_ms=NOON_MS, by="test", disabled=True)
            users.change_user(connection, one.id, now_ms=NOON_MS, by="test", disabled=False)
        assert (find_by_token(connection, secret, NOON_MS + after_days * DAY_MS) is not None) is holds
        assert find_by_token(connection, secret + "x", NOON_MS) is None


@pytest.mark.parametrize("body", [{"token_name": "", "scope": ["read:incidents"]}, {"token_name": "x"},
                                  {"token_name": "x", "scope": ["admin2"]}])  # fmt: skip
def test_a_token_needs_a_name_and_a_scope(engine: Engine, anna: TestClient, body: dict[str, str]) -> None:
    """Else none is made."""
    assert anna.post("/account/tokens", data=body).status_code == 400
    with engine.connect() as connection:
        assert connection.execute(select(models.token)).all() == []


def test_the_first_administrator_comes_by_the_link_in_the_log(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, while there is nobody; then a second factor is asked for."""
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=clock)
    with caplog.at_level(logging.WARNING):
        app.state.announce("http://127.0.0.1:8080")
    found = re.search(r"http://127\.0\.0\.1:8080(/welcome/\S+)", caplog.text)
    assert found is not None
    with browser_of(app, engine) as one, browser_of(app, engine) as late:
        form = form_of(one.get(found[1]).text)
        late_form = form_of(late.get(found[1]).text)
        body = {**form, "name": "Root", "password": PASSWORD, "again": PASSWORD}
        assert one.post(found[1], data={**body, "again": OTHER}).status_code == 400
        assert one.post(found[1], data={**body, "name": "no name!"}).status_code == 400
        assert one.post(found[1], data={**body, "password": "", "again": ""}).status_code == 400
        assert one.post(found[1], data=body).headers["location"].startswith("/login/second")
        taken = late.post(found[1], data={**late_form, "name": "eve", "password": OTHER, "again": OTHER})
        assert taken.status_code == 404
    with engine.connect() as connection:
        (only,) = users.list_users(connection)
    assert (only.name, only.roles, only.areas) == ("root", {Role.ADMINISTRATOR}, ("*",))
    caplog.clear()
    app.state.announce("http://127.0.0.1:8080")
    assert caplog.text == ""


def test_an_invitation_gives_a_password_once(app: FastAPI, engine: Engine, clock: Clock) -> None:
    """For three days; a newer one voids it."""
    one = add_user(engine, "wang", Role.RESPONDER, full_name="Wang Fang 王芳")
    with writing(engine) as connection:
        void = users.invite(connection, one.id, NOON_MS)
        secret = users.invite(connection, one.id, NOON_MS)
    with browser_of(app, engine) as browser:
        assert browser.get(f"/welcome/{void}").status_code == 404
        page = browser.get(f"/welcome/{secret}").text
        assert "Wang Fang 王芳" in page
        body = {**form_of(page), "password": OTHER, "again": OTHER}
        clock.now_ms += 3 * DAY_MS
        assert browser.post(f"/welcome/{secret}", data=body).status_code == 404
        clock.now_ms -= DAY_MS
        assert browser.post(f"/welcome/{secret}", data=body).headers["location"] == "/"
        assert browser.get("/").status_code == 200
        assert browser.get(f"/welcome/{secret}").status_code == 404


def test_the_last_administrator_can_be_neither_disabled_nor_demoted(engine: Engine) -> None:
    """Nobody locks everybody out by mistake."""
    root = add_user(engine, "root", Role.ADMINISTRATOR)
    for change in ({"disabled": True}, {"roles": [Role.ENGINEER]}):
        with pytest.raises(BadUserError, match="last administrator"), writing(engine) as connection:
            users.change_user(connection, root.id, now_ms=NOON_MS, by="test", **change)
    add_user(engine, "second", Role.ADMINISTRATOR)
    with writing(engine) as connection:
        assert users.change_user(connection, root.id, now_ms=NOON_MS, by="test", disabled=True).disabled


def test_a_view_is_in_the_audit(engine: Engine) -> None:
    """Who, what, when."""
    with writing(engine) as connection:
        record_view(connection, this_machine(), "person", "p-0001", NOON_MS)
        rows = connection.execute(select(models.audit)).mappings().all()
    assert [(row["what"], row["who"], row["kind"], row["subject"], row["at_ms"]) for row in rows] == [
        (Event.VIEW, "console", "person", "p-0001", NOON_MS)
    ]


def test_second_factors_are_sealed_with_the_registrys_key(engine: Engine) -> None:
    """And anew with the next key."""
    old, new = draw_key(), draw_key()
    sealed = registry.create_engine(str(engine.url), keys=Keys(lambda: old))
    one = add_user(sealed, "root", Role.ADMINISTRATOR)
    with writing(sealed) as connection:
        secret = second.prepare(connection, one)
    column = select(models.user.c.totp_secret)
    with engine.connect() as connection:
        before = connection.execute(column).scalar() or ""
    assert is_sealed(before)
    assert secret not in before
    both = registry.create_engine(str(engine.url), keys=Keys(lambda: f"{new} {old}"))
    second.reseal(both)
    newest = registry.create_engine(str(engine.url), keys=Keys(lambda: new))
    with writing(newest) as connection:
        assert second.prepare(connection, one) == secret
    for used in (sealed, both, newest):
        used.dispose()


def test_the_tables_are_those_of_the_migrations(registry_engine: Engine) -> None:
    """On both databases; a second upgrade changes nothing."""
    upgrade(registry_engine)
    upgrade(registry_engine)
    with registry_engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or str(name).startswith("console_")}
        options["include_object"] = lambda _o, name, kind, _r, _c: kind != "table" or name != "alembic_version_console"
        assert compare_metadata(MigrationContext.configure(connection, opts=options), models.metadata) == []


def test_users_are_added_on_the_command_line(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    """With a link that works in the console; each mistake says what to do."""
    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", str(engine.url))
    runner = CliRunner()

    def run(*words: str, code: int = 0, given: str = "") -> str:
        result = runner.invoke(command_line, ["users", *words], input=given)
        assert result.exit_code == code, result.output
        return result.output

    assert "Nobody yet" in run("list")
    said = run("add", "Root", "--role", "administrator", "--area", "*")
    link = re.search(r"/welcome/\S+", said)
    assert link is not None
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY))
    with browser_of(app, engine) as browser:
        assert browser.get(link[0]).status_code == 200
    run("add", "zhang", "--role", "responder", "--area", "chongqing.yubei", "--responder", ZHANG,
        "--password-file", "-", given=PASSWORD + "\n")  # fmt: skip
    assert run("token", "zhang", "--name", "x", "--scope", "read:incidents").startswith("cc_")
    assert "/welcome/" in run("passwd", "zhang", "--no-second")
    run("disable", "zhang")
    assert '"disabled": true' in run("list", "--json")
    wrong = (
        "add zhang --role responder --area *",
        "add x --role responder --area nowhere",
        "add x --role boss --area *",
        "passwd nobody",
        "token root --name x --scope read:all",
        "disable root",
    )
    for words in wrong:
        run(*words.split(), code=2)
    with engine.begin() as connection, pytest.raises(Exception, match="append-only"):
        connection.execute(delete(models.audit))


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
            "Chrome · Android",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge · Windows"),
        ("curl/8.5", ""),
    ],
)
def test_a_session_is_called_by_browser_and_machine(agent: str, said: str) -> None:
    """As its user knows it."""
    assert device_of(agent) == said
