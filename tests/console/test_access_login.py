"""Logging in: what a password opens, what a second factor adds, and what nobody gets through."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import DBAPIError

from console.access import attempts, audit, gate, models, passwords, second, users
from console.access.attempts import FAILURES, LOCKED_S
from console.access.database import upgrade
from console.access.errors import BadPasswordError
from console.access.gate import local_path
from console.access.rules import OWN, Role, allow
from console.app import create_app
from console.errors import BadHostError
from console.server import serve
from console.settings import ConsoleSettings
from registry import writing
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import LINK_KEY
from tests.console.users import SAME_SITE, add_user, browser_of, form_of, log_in

PASSWORD = "four horses at noon"
HOUR_MS = 3_600_000
_REAL = passwords._hasher


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time; what they are really made with is tested by itself."""
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODY", hasher.hash("nobody"))


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Iterator[tuple[FastAPI, Engine, Clock, Path]]:
    """One console for all tests of this file, since it takes long to make; each has a database of its own in it."""
    folder = tmp_path_factory.mktemp("console")
    engine, clock = copy_of(built, folder), Clock()
    settings = ConsoleSettings(link_key=LINK_KEY, public_url="https://care.example.org")
    yield create_app(engine, settings, now_ms=clock), engine, clock, folder
    engine.dispose()


@pytest.fixture
def engine(console: tuple[FastAPI, Engine, Clock, Path], built: Path) -> Engine:
    """The district's database; anna coordinates, root administers, zhang responds."""
    _, engine, _, folder = console
    engine.dispose()
    for left in folder.iterdir():
        left.unlink()
    copy_of(built, folder).dispose()
    for name, role in (("anna", Role.COORDINATOR), ("root", Role.ADMINISTRATOR), ("zhang", Role.RESPONDER)):
        add_user(engine, name, role)
    with writing(engine) as connection:
        connection.execute(update(models.user).values(password=passwords.hash_password(PASSWORD)))
    return engine


@pytest.fixture
def clock(console: tuple[FastAPI, Engine, Clock, Path]) -> Clock:
    """The console's clock, which stands at noon."""
    console[2].now_ms = NOON_MS
    return console[2]


@pytest.fixture
def app(console: tuple[FastAPI, Engine, Clock, Path], engine: Engine, clock: Clock) -> FastAPI:  # noqa: ARG001
    """The console that asks for a login."""
    return console[0]


@pytest.fixture
def guest(app: FastAPI, engine: Engine) -> Iterator[TestClient]:
    """A browser in which nobody is logged in."""
    with browser_of(app, engine) as browser:
        yield browser


def give(guest: TestClient, name: str, password: str = PASSWORD, **more: str) -> int:
    """Fill in the login form and send it; the status of the answer."""
    form = form_of(guest.get("/login").text)
    return guest.post("/login", data={**form, "name": name, "password": password, **more}).status_code


def events(engine: Engine, *what: audit.Event) -> list[tuple[str, str, str]]:
    """What the audit has of these."""
    table = models.audit
    with engine.connect() as connection:
        rows = connection.execute(select(table.c.what, table.c.who, table.c.address).order_by(table.c.id))
        return [(row[0], row[1], row[2]) for row in rows if row[0] in what]


def test_a_password_opens_the_console_and_the_login_is_in_the_audit(guest: TestClient, engine: Engine) -> None:
    """And the cookie is one that no script reads."""
    form = form_of(guest.get("/login?next=/account").text)
    answer = guest.post("/login", data={**form, "name": " Anna ", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("session="))
    assert re.search(r"HttpOnly.*SameSite=lax", cookie, re.I)
    assert "Max-Age" not in cookie
    assert "Secure" not in cookie
    assert guest.get("/account").status_code == 200
    assert [row[1] for row in events(engine, audit.Event.LOGIN)] == ["anna"]
    stored = cookie.partition("=")[2].partition(";")[0]
    with engine.connect() as connection:
        assert stored not in str(connection.execute(select(models.session)).all())


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong password"), ("nobody", PASSWORD), ("", ""), ("anna", "")]
)
def test_what_is_wrong_is_not_told(guest: TestClient, name: str, password: str) -> None:
    """The same words whether the name exists or not."""
    form = form_of(guest.get("/login").text)
    answer = guest.post("/login", data={**form, "name": name, "password": password})
    assert answer.status_code == 401
    assert "do not fit together" in answer.text
    assert "session=" not in str(answer.headers.get_list("set-cookie"))


def test_a_disabled_user_is_nobody_at_once(app: FastAPI, engine: Engine, guest: TestClient, clock: Clock) -> None:
    """Their sessions end, their password opens nothing."""
    with browser_of(app, engine, "anna", clock.now_ms) as browser:
        assert browser.get("/").status_code == 200
        with writing(engine) as connection:
            one = users.find_user(connection, "anna")
            users.change_user(connection, one.id, now_ms=clock.now_ms, by="test", disabled=True)
        assert browser.get("/").status_code == 303
    assert give(guest, "anna") == 401


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_ten_failures_lock_an_account_for_a_quarter_of_an_hour(
    guest: TestClient, engine: Engine, clock: Clock, name: str
) -> None:
    """Whether there is such a user or not; a right password does not help; the audit has it."""
    for n in range(FAILURES):
        assert give(guest, name, "wrong") == (401 if n < FAILURES - 1 else 429)
        clock.now_ms += 1000
    assert events(engine, audit.Event.LOCKED) == [("locked", name, "testclient")]
    clock.now_ms += LOCKED_S * 1000 - 2000
    assert give(guest, name) == 429
    clock.now_ms += 2000
    assert give(guest, name) == (303 if name == "anna" else 401)


def test_a_right_password_forgives_what_was_wrong_before(guest: TestClient, clock: Clock) -> None:
    """Nobody is locked out by a mistake a day."""
    for _ in range(2):
        for _ in range(FAILURES - 1):
            give(guest, "anna", "wrong")
        assert give(guest, "anna") == 303
        guest.cookies.delete("session")
        clock.now_ms += 1000


def test_many_attempts_at_once_are_not_more_than_in_turn(app: FastAPI, engine: Engine) -> None:
    """Counted before they are looked at."""
    with browser_of(app, engine) as browser, ThreadPoolExecutor(8) as pool:
        form = form_of(browser.get("/login").text)
        body = {**form, "name": "anna", "password": "wrong"}
        answers = list(pool.map(lambda _: browser.post("/login", data=body).status_code, range(24)))
    assert answers.count(401) == FAILURES - 1
    assert answers.count(429) == 24 - (FAILURES - 1)


def test_attempts_are_counted_one_after_the_other(registry_engine: Engine) -> None:
    """On both databases, however many consoles there are."""
    upgrade(registry_engine)

    def attempt(_: int) -> bool:
        with writing(registry_engine) as connection:
            return bool(attempts.begin(connection, "anna", "127.0.0.1", NOON_MS).id)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == FAILURES


def test_one_address_cannot_go_through_all_names(guest: TestClient, engine: Engine, clock: Clock) -> None:
    """Sixty failures and it waits; the proxy's word on the address is taken from a proxy only."""
    with writing(engine) as connection:
        row = {"at_ms": clock.now_ms, "address": "testclient", "result": "failed"}
        connection.execute(models.attempt.insert(), [{**row, "account": f"u{n}"} for n in range(60)])
    assert give(guest, "anna") == 429
    guest.headers["x-forwarded-for"] = "203.0.113.9"
    assert give(guest, "anna") == 429
    clock.now_ms += LOCKED_S * 1000
    assert give(guest, "anna") == 303


def test_a_session_begins_anew_at_each_login(guest: TestClient) -> None:
    """A session id that somebody has put into the browser before is worth nothing (session fixation)."""
    guest.cookies.set("session", "put there by somebody else")
    assert give(guest, "anna") == 303
    values = [cookie.value for cookie in guest.cookies.jar if cookie.name == "session"]
    assert values != ["put there by somebody else"]


@pytest.mark.parametrize(
    ("steps_h", "alive"),
    [([1.9, 1.9, 1.9, 1.9, 1.9, 1.9], True), ([2.0], False), ([1.9, 2.0], False), ([1.9] * 6 + [0.7], False)],
    ids=["used", "unused", "unused later", "used for too long"],
)
def test_a_session_ends_unused_and_in_any_case(
    app: FastAPI, engine: Engine, clock: Clock, steps_h: list[float], alive: bool
) -> None:
    """Two hours without use, twelve with."""
    with browser_of(app, engine, "anna", clock.now_ms) as browser:
        status = 200
        for step_h in steps_h:
            clock.now_ms += round(step_h * HOUR_MS)
            status = browser.get("/").status_code
        assert status == (200 if alive else 303)


@pytest.mark.parametrize(("name", "days", "alive"), [("zhang", 25, True), ("zhang", 31, False), ("anna", 1, False)])
def test_only_a_responders_phone_stays_logged_in(
    guest: TestClient, clock: Clock, name: str, days: int, alive: bool
) -> None:
    """For thirty days, when it is used each week."""
    assert give(guest, name, remember="1") == 303
    for _ in range(days):
        clock.now_ms += 24 * HOUR_MS
        status = guest.get("/").status_code
    assert status == (200 if alive else 303)


def test_logging_out_ends_the_session_at_the_server(app: FastAPI, engine: Engine, clock: Clock) -> None:
    """Here, or everywhere."""
    with browser_of(app, engine, "anna", clock.now_ms) as one, browser_of(app, engine, "anna", clock.now_ms) as other:
        kept = dict(one.cookies)
        assert one.post("/logout").headers["location"] == "/login?said=out"
        one.cookies.update(kept)
        assert one.get("/").status_code == 303
        assert other.get("/").status_code == 200
        with browser_of(app, engine, "anna", clock.now_ms) as third:
            third.post("/logout", data={"everywhere": "1"})
        assert other.get("/").status_code == 303


@pytest.mark.parametrize("sent", [None, "", "0" * 64, "of another session"])
def test_a_form_without_the_sessions_token_does_nothing(
    app: FastAPI, engine: Engine, clock: Clock, sent: str | None
) -> None:
    """Even from a page of the same site."""
    with browser_of(app, engine, "anna", clock.now_ms) as browser:
        del browser.headers["x-csrf-token"]
        if sent == "of another session":
            with browser_of(app, engine, "anna", clock.now_ms) as other:
                sent = other.headers["x-csrf-token"]
        data = {} if sent is None else {"csrf": sent}
        answer = browser.post("/logout", data=data)
        assert answer.status_code == 403
        assert "reload the page" in answer.text
        assert browser.get("/").status_code == 200


def test_a_login_form_holds_in_the_browser_that_it_was_given_to(
    app: FastAPI, engine: Engine, guest: TestClient
) -> None:
    """Nobody is logged in as somebody else without knowing (login CSRF)."""
    form = form_of(guest.get("/login").text)
    with browser_of(app, engine) as other:
        answer = other.post("/login", data={**form, "name": "anna", "password": PASSWORD})
    assert answer.status_code == 400
    assert "too old" in answer.text


@pytest.mark.parametrize(
    ("asked", "led"),
    [("/incidents/x?y=1", "/incidents/x?y=1"), ("//evil.example", "/"), ("https://evil.example", "/"), ("", "/"),
     ("/\\evil.example", "/"), ("javascript:alert(1)", "/"), ("/\n/evil.example", "/"), ("evil", "/")],
)  # fmt: skip
def test_a_login_leads_nowhere_but_into_the_console(asked: str, led: str) -> None:
    """Whatever a link asked for."""
    assert local_path(asked) == led


def test_over_https_the_cookie_says_so(app: FastAPI) -> None:
    """Under a name that no neighbour of the domain can set; a plain one is then not looked at."""
    proxy = {**SAME_SITE, "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    with TestClient(app, base_url="https://care.example.org", headers=proxy, follow_redirects=False) as browser:
        form = form_of(browser.get("/login").text)
        answer = browser.post("/login", data={**form, "name": "anna", "password": PASSWORD})
        cookie = next(value for value in answer.headers.get_list("set-cookie") if "session" in value)
        assert cookie.startswith("__Host-session=")
        assert "Secure" in cookie
        assert browser.get("/").status_code == 200
        secret = browser.cookies["__Host-session"]
        browser.cookies.clear()
        browser.cookies.set("session", secret)
        assert browser.get("/").status_code == 303


def test_an_administrator_sets_up_a_second_factor_before_anything_else(
    guest: TestClient, engine: Engine, clock: Clock
) -> None:
    """With a first code; then come recovery codes, and from then on each login asks for a code."""
    form = form_of(guest.get("/login").text)
    answer = guest.post("/login", data={**form, "name": "root", "password": PASSWORD})
    assert answer.headers["location"] == "/login/second?next=%2F"
    for path in ("/", "/account", "/api/incidents"):
        assert guest.get(path).headers.get("location", "/login/second") == "/login/second"
    page = guest.get("/login/second").text
    secret = "".join(re.findall(r"<code>([A-Z2-7 ]+)</code>", page)[0].split())
    assert "<svg" in page
    before = dict(guest.cookies)
    answer = guest.post("/login/second", data={**form_of(page), "code": pyotp.TOTP(secret).at(clock.now_ms // 1000)})
    codes = re.findall(r"<code>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</code>", answer.text)
    assert len(codes) == 10
    assert guest.cookies["session"] != before["session"]
    assert guest.get("/").status_code == 200

    guest.cookies.clear()
    form = form_of(guest.get("/login").text)
    answer = guest.post("/login", data={**form, "name": "root", "password": PASSWORD})
    assert answer.headers["location"] == "/login/code?next=%2F"
    assert guest.get("/").headers["location"] == "/login/code"
    form = form_of(guest.get("/login/code").text)
    used = pyotp.TOTP(secret).at(clock.now_ms // 1000)
    assert guest.post("/login/code", data={**form, "code": used}).status_code == 401, "a used code holds again"
    clock.now_ms += 30_000
    fresh = pyotp.TOTP(secret).at(clock.now_ms // 1000)
    assert guest.post("/login/code", data={**form, "code": f"{fresh[:3]} {fresh[3:]}"}).status_code == 303
    assert guest.get("/").status_code == 200

    for status in (303, 401):  # a recovery code holds once
        guest.cookies.clear()
        assert give(guest, "root") == 303
        form = form_of(guest.get("/login/code").text)
        assert guest.post("/login/code", data={**form, "code": codes[0].upper()}).status_code == status
    assert len(events(engine, audit.Event.RECOVERY_USED)) == 1


def test_an_administrator_is_never_in_without_a_second_factor(app: FastAPI, engine: Engine, clock: Clock) -> None:
    """Not after taking it off, and not by becoming one."""
    with writing(engine) as connection:
        one = users.find_user(connection, "root")
        second.prepare(connection, one)
        second.finish(connection, one.id)
    with browser_of(app, engine, "root", clock.now_ms) as root, browser_of(app, engine, "anna", clock.now_ms) as anna:
        assert root.get("/").status_code == 200
        off = {"second_password": PASSWORD}
        assert root.post("/account/second/off", data={"second_password": "wrong"}).status_code == 400
        assert root.post("/account/second/off", data=off).headers["location"].startswith("/login/second")
        assert root.get("/").headers["location"] == "/login/second"
        assert "<svg" in root.get("/login/second").text
        with writing(engine) as connection:
            other = users.find_user(connection, "anna")
            users.change_user(connection, other.id, now_ms=clock.now_ms, by="test", roles=[Role.ADMINISTRATOR])
        assert anna.get("/").headers["location"] == "/login"


def test_wrong_codes_are_not_forgiven_by_a_right_password(guest: TestClient, engine: Engine, clock: Clock) -> None:
    """Else whoever knows the password could go on guessing."""
    with writing(engine) as connection:
        one = users.find_user(connection, "root")
        second.prepare(connection, one)
        second.finish(connection, one.id)
    statuses = []
    for _ in range(FAILURES):
        assert give(guest, "root") == 303
        form = form_of(guest.get("/login/code").text)
        statuses.append(guest.post("/login/code", data={**form, "code": "000000"}).status_code)
        clock.now_ms += 1000
    assert statuses == [401] * (FAILURES - 1) + [429]


@pytest.mark.parametrize(("off_s", "holds"), [(0, True), (-30, True), (30, True), (-60, False), (60, False)])
def test_codes_hold_for_a_step_of_thirty_seconds_around_now(
    engine: Engine, clock: Clock, off_s: int, holds: bool
) -> None:
    """Phones' clocks differ."""
    with writing(engine) as connection:
        one = users.find_user(connection, "anna")
        codes = pyotp.TOTP(second.prepare(connection, one))
        code = codes.at(clock.now_ms // 1000 + off_s)
        assert second.check_code(connection, one.id, code, clock.now_ms) is holds
        assert not second.check_code(connection, one.id, code, clock.now_ms), "twice"


def test_a_half_finished_login_opens_nothing(app: FastAPI, engine: Engine, clock: Clock) -> None:
    """Nor does it let a second factor be set up over one that is there."""
    with writing(engine) as connection:
        one = users.find_user(connection, "root")
        second.prepare(connection, one)
        second.finish(connection, one.id)
    with browser_of(app, engine) as browser:
        browser.headers["x-csrf-token"] = log_in(browser, engine, "root", clock.now_ms, stage="code")
        assert browser.get("/account").headers["location"] == "/login/code"
        assert browser.get("/login/second").status_code == 303
        assert browser.post("/login/second", data={"code": "123456"}).status_code in (303, 401)
        assert browser.get("/", headers={"sec-fetch-mode": "cors"}).status_code == 401


@pytest.mark.parametrize(
    ("password", "fault"),
    [("short", "short"), ("x" * 257, "long"), ("password123!", "common"), ("P@ssw0rd2026", "common"),
     ("1234567890", "common"), ("aaaaaaaaaaaa", "common"), ("qwertyuiop1", "common"), ("woaini1314520", "common"),
     ("carecircle2026", "common"), ("anna.li is here", "name"), ("ANNA.LI-2026!", "name")],
    ids=lambda value: str(value)[:14],
)  # fmt: skip
def test_what_is_tried_first_is_no_password(password: str, fault: str) -> None:
    """And it must be long enough, and not the name."""
    with pytest.raises(BadPasswordError) as refused:
        passwords.check_password(password, "anna.li", "Anna Li")
    assert refused.value.fault == fault


def test_a_long_password_of_words_will_do() -> None:
    """In any script, however a keyboard composes it."""
    for good in (PASSWORD, "红旗下的四匹马在中午奔跑", "tr0ub4dor&3 horse"):
        passwords.check_password(good, "anna")
    assert passwords.is_password(passwords.hash_password("Ünïcödé passwörd"), "U\u0308nïcödé passwörd")


def test_a_hash_of_weaker_parameters_is_made_anew_at_login(guest: TestClient, engine: Engine) -> None:
    """With those of today."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    table = models.user
    with writing(engine) as connection:
        connection.execute(update(table).where(table.c.name == "anna").values(password=weak))
    assert give(guest, "anna") == 303
    with engine.connect() as connection:
        kept = connection.execute(select(table.c.password).where(table.c.name == "anna")).scalar()
    assert kept is not None
    assert kept != weak
    assert not passwords.is_outdated(kept)
    assert passwords.is_password(kept, PASSWORD)


def test_passwords_are_kept_as_the_standard_has_it() -> None:
    """OWASP's first choice; a salt each."""
    one, other = (_REAL.hash(PASSWORD) for _ in range(2))
    assert one.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert one != other


def test_nobody_changes_the_audit(guest: TestClient, engine: Engine) -> None:
    """The database refuses it."""
    assert give(guest, "anna") == 303
    for statement in ("UPDATE console_audit SET who = 'x'", "DELETE FROM console_audit"):
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(text(statement))


@pytest.mark.parametrize("how", ["logout", "disabled", "expired"])
def test_a_stream_ends_when_its_session_does(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """And says so, so that the page goes to the login; a stream of somebody who is there goes on, and keeps them in."""
    monkeypatch.setattr(gate, "_LOOK_S", 0.0)
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=clock)
    beats = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal beats
        while beats < 8:
            beats += 1
            if beats == 4 and how == "logout":
                with writing(engine) as connection:
                    connection.execute(models.session.delete())
            elif beats == 4 and how == "disabled":
                with writing(engine) as connection:
                    connection.execute(update(models.user).values(disabled=True))
            elif beats == 4:
                clock.now_ms += 13 * HOUR_MS
            else:
                clock.now_ms += HOUR_MS
            yield b"beat"

    @app.get("/stream")
    @allow(OWN)
    async def streamed(request: Request) -> Response:
        return StreamingResponse(gate.until_logged_out(stream(), request))

    with browser_of(app, engine, "anna", clock.now_ms) as browser:
        assert browser.get("/stream").content == b"beat" * 3 + b"event: logout\ndata: 1\n\n"
        assert browser.get("/session", headers={"sec-fetch-mode": "cors"}).status_code == 401


def test_whoever_must_log_in_may_come_from_anywhere(app: FastAPI, engine: Engine) -> None:
    """The console listens on other addresses then, and serves through a proxy; other names are refused still."""
    stop, ready = threading.Event(), threading.Event()
    stop.set()
    serve(app, "0.0.0.0", 0, stop, ready=lambda _url: ready.set())
    with pytest.raises(BadHostError, match="numeric"):
        serve(app, "care.example.org", 0, stop)
    proxy = {**SAME_SITE, "host": "care.example.org", "x-forwarded-for": "203.0.113.9"}
    with browser_of(app, engine) as browser:
        assert browser.get("/", headers=proxy).headers["location"] == "/login"
        assert browser.get("/login", headers=proxy).status_code == 200
        assert browser.get("/login", headers={"host": "evil.example"}).status_code == 403
        foreign = {**proxy, "sec-fetch-site": "cross-site", "authorization": "Basic x"}
        assert browser.post("/login", headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("peer", "said", "found"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, 127.0.0.1", "203.0.113.9"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
    ],
)
def test_a_proxy_is_believed_about_where_a_request_comes_from(peer: str, said: str, found: str) -> None:
    """One of ours, and only its own word: what stands before it in the list anybody can write."""
    scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", said.encode())]}
    assert gate.client_address(Request(scope), ConsoleSettings(link_key=LINK_KEY)) == found
