"""Logging in with the account of another organisation, over HTTP with a provider that plays by the rules and one that
does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from oidc_provider_mock import User as Account
from oidc_provider_mock import run_server_in_thread
from sqlalchemy import Engine

from console.access import users
from console.access.errors import ProviderError
from console.access.oidc import TRIP_S, Provider, identity_of
from console.access.rules import Role
from console.app import create_app
from console.settings import ConsoleSettings, OidcSettings
from registry import writing
from tests.console.district import LINK_KEY, ZHANG
from tests.console.users import add_user, browser_of
from tests.servers.oidc import LyingProvider, lying_provider

HOME = "chongqing.yubei.longxi.shimahe"
SETTINGS = OidcSettings(
    issuer="https://login.example.org", client_id="carecircle", client_secret="a secret of the client",
    roles={"desk": "coordinator", "it": "engineer", "root": "administrator"}, area_claim="street",
    areas={"5001": HOME, "all": "*", "gone": "chongqing.gone"}, responder_claim="staff",
)  # fmt: skip


def now_ms() -> int:
    """Providers have a clock of their own: now is now."""
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider that others wrote, with two accounts; its issuer."""
    accounts = [
        Account(sub="u-1", claims={"preferred_username": "Chen.Jie", "name": "Chen Jie 陈洁", "street": "5001",
                                   "groups": ["desk", "choir"], "staff": ZHANG}),
        Account(sub="u-2", claims={"preferred_username": "nobody", "groups": ["choir"], "street": "5001"}),
        Account(sub="u-3", claims={"preferred_username": "root", "groups": ["root"], "street": ["all"]}),
    ]  # fmt: skip
    accounts.append(Account(sub="u-4", claims={"groups": ["desk"], "street": "gone"}))
    with run_server_in_thread(user_claims=accounts, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def browser(engine: Engine, provider: str) -> Iterator[TestClient]:
    """A browser in which nobody is logged in, at a console that knows the provider."""
    settings = ConsoleSettings(link_key=LINK_KEY, oidc=replace(SETTINGS, issuer=provider))
    with browser_of(create_app(engine, settings, now_ms=now_ms), engine) as browser:
        yield browser


def log_in(browser: TestClient, account: str, back: str = "/") -> httpx.Response:
    """Go to the provider, log in there as ``account``, and come back."""
    away = browser.get("/login/provider", params={"next": back}).headers["location"]
    returned = httpx.post(away, data={"sub": account}).headers["location"]
    assert returned.startswith("http://127.0.0.1:8080/login/provider/return?")
    return browser.get(
        urlsplit(returned).path + "?" + urlsplit(returned).query, headers={"sec-fetch-site": "cross-site"}
    )


def test_an_account_elsewhere_opens_the_console(browser: TestClient, engine: Engine) -> None:
    """With the roles and areas that its groups mean here; the page that was wanted comes next."""
    assert "/login/provider?next=" in browser.get("/login").text
    answer = log_in(browser, "u-1", "/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert browser.get("/").status_code == 200
    with engine.connect() as connection:
        (one,) = users.list_users(connection)
    assert (one.name, one.full_name, one.roles, one.areas, one.responder, one.password) == (
        "chen.jie", "Chen Jie 陈洁", {Role.COORDINATOR}, (HOME,), ZHANG, False,
    )  # fmt: skip
    assert 'id="old"' not in browser.get("/account").text, "there is no password here to change"


@pytest.mark.parametrize("account", ["u-2", "u-4"], ids=["no role", "no area"])
def test_who_is_known_there_but_has_nothing_here_does_not_get_in(
    browser: TestClient, engine: Engine, account: str
) -> None:
    """And no user is made."""
    answer = log_in(browser, account)
    assert answer.headers["location"] == "/login?said=no_role"
    assert "nobody has given you a role" in browser.get(answer.headers["location"]).text
    with engine.connect() as connection:
        assert users.list_users(connection) == []


def test_an_administrator_from_elsewhere_needs_a_second_factor_here(browser: TestClient) -> None:
    """Unless the provider has asked for one."""
    assert log_in(browser, "u-3").headers["location"].startswith("/login/second")


def test_nobody_becomes_a_user_of_the_same_name(browser: TestClient, engine: Engine) -> None:
    """Whoever may choose a name there is somebody else here; a second login is the same user."""
    add_user(engine, "chen.jie", Role.ADMINISTRATOR)
    for _ in range(2):
        log_in(browser, "u-1")
        with engine.connect() as connection:
            found = {one.name: one.roles for one in users.list_users(connection)}
        assert found == {"chen.jie": {Role.ADMINISTRATOR}, "chen.jie-2": {Role.COORDINATOR}}


def test_roles_are_those_of_the_last_login(browser: TestClient, engine: Engine) -> None:
    """What the provider takes away is gone; the last administrator is not made less by mistake."""
    for roles, answers in (([Role.ENGINEER], "/"), ([Role.ADMINISTRATOR], "/login?said=no_role")):
        log_in(browser, "u-1")
        with writing(engine) as connection:
            one = users.find_user(connection, "chen.jie")
            users.change_user(connection, one.id, now_ms=now_ms(), by="test", roles=roles)
        assert log_in(browser, "u-1").headers["location"] == answers


def test_who_is_disabled_here_stays_out_whatever_the_provider_says(browser: TestClient, engine: Engine) -> None:
    """The console has the last word."""
    log_in(browser, "u-1")
    with writing(engine) as connection:
        one = users.find_user(connection, "chen.jie")
        users.change_user(connection, one.id, now_ms=now_ms(), by="test", disabled=True)
    assert log_in(browser, "u-1").headers["location"] == "/login?said=no_role"
    assert browser.get("/").status_code == 303


def test_a_return_that_this_browser_did_not_leave_for_is_refused(browser: TestClient, engine: Engine) -> None:
    """A forged return logs nobody in (login CSRF), and one return holds for one browser."""
    away = browser.get("/login/provider").headers["location"]
    back = urlsplit(httpx.post(away, data={"sub": "u-1"}).headers["location"])
    trip = browser.cookies["trip"]
    browser.cookies.clear()
    assert browser.get(f"{back.path}?{back.query}").headers["location"] == "/login?said=provider"
    browser.cookies.set("trip", trip[:-2] + "xx")
    assert browser.get(f"{back.path}?{back.query}").headers["location"] == "/login?said=provider"
    browser.cookies.clear()
    browser.cookies.set("trip", trip)
    assert browser.get(f"{back.path}?code=abc&state=other").headers["location"] == "/login?said=provider"
    with engine.connect() as connection:
        assert users.list_users(connection) == []


@pytest.fixture(scope="module")
def liar() -> Iterator[LyingProvider]:
    """A provider whose tokens are as a test wants them."""
    with lying_provider() as found:
        yield found


RETURN = "https://care.example.org/login/provider/return"
_OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1"})


def come_back(liar: LyingProvider, **changes: Any) -> tuple[Any, str]:
    """One login at the lying provider."""
    made = Provider(replace(SETTINGS, issuer=liar.url, **changes), "a key")
    address, kept = made.begin(RETURN, "/reports")
    return made.finish(RETURN, liar.authorize(address), kept, now_ms())


def test_the_lying_provider_is_believed_when_it_does_not_lie(liar: LyingProvider) -> None:
    """Else the next tests would prove nothing. PKCE's verifier fits, the client's secret is not in the body."""
    liar.claims = {"groups": "desk it", "street": "5001", "email": "x@example.org", "amr": ["pwd", "otp"]}
    liar.sign = None
    identity, back = come_back(liar)
    assert back == "/reports"
    assert (identity.subject, identity.roles, identity.strong) == ("s-1", {Role.COORDINATOR, Role.ENGINEER}, True)
    assert liar.asked[-1]["redirect_uri"] == RETURN
    assert "client_secret" not in liar.asked[-1]


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "another"}, {"nonce": None}, {"aud": "somebody else"}, {"aud": ["carecircle", "x"], "azp": "x"},
     {"iss": "https://evil.example"}, {"exp": 1}, {"exp": None}, {"sub": None}],
    ids=lambda claims: " ".join(f"{key}={value}" for key, value in claims.items()),
)  # fmt: skip
def test_a_token_for_others_or_from_another_time_is_refused(liar: LyingProvider, claims: dict[str, Any]) -> None:
    """OpenID Connect Core, 3.1.3.7."""
    liar.claims, liar.sign = {"groups": "desk", "street": "5001", **claims}, None
    with pytest.raises(ProviderError):
        come_back(liar)


@pytest.mark.parametrize("how", ["another key", "no signature", "with the client's secret", "no token"])
def test_a_token_that_the_provider_did_not_sign_is_refused(liar: LyingProvider, how: str) -> None:
    """Also one that is signed with something that we know ourselves."""
    liar.claims = {"groups": "desk", "street": "5001"}

    def sign(values: dict[str, Any]) -> str:
        if how == "another key":
            return jwt.encode({"alg": "RS256", "kid": "1"}, values, _OTHER_KEY)
        if how == "no token":
            return ""
        if how == "no signature":
            return jwt.encode({"alg": "none"}, values, OctKey.import_key("x" * 32), algorithms=["none"])
        return jwt.encode(
            {"alg": "HS256"}, values, OctKey.import_key("a secret of the client" * 2), algorithms=["HS256"]
        )

    liar.sign = sign
    with pytest.raises(ProviderError):
        come_back(liar)


def test_a_provider_that_calls_itself_otherwise_is_none(liar: LyingProvider) -> None:
    """And one that is away is said to be."""
    liar.issuer = "https://evil.example"
    try:
        with pytest.raises(ProviderError, match="calls itself"):
            Provider(replace(SETTINGS, issuer=liar.url), "a key").begin(RETURN, "/")
    finally:
        liar.issuer = ""
    with pytest.raises(ProviderError, match="cannot be asked"):
        Provider(replace(SETTINGS, issuer="http://127.0.0.1:9"), "a key").begin(RETURN, "/")


def test_a_new_key_of_the_provider_is_found(liar: LyingProvider) -> None:
    """Without a restart."""
    liar.claims, liar.sign = {"groups": "desk", "street": "5001"}, None
    made = Provider(replace(SETTINGS, issuer=liar.url), "a key")
    address, kept = made.begin(RETURN, "/")
    liar.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
    assert made.finish(RETURN, liar.authorize(address), kept, now_ms())[0].subject == "s-1"


def test_a_trip_to_the_provider_takes_ten_minutes_at_most(liar: LyingProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it begins anew."""
    liar.claims, liar.sign = {"groups": "desk", "street": "5001"}, None
    made = Provider(replace(SETTINGS, issuer=liar.url), "a key")
    address, kept = made.begin(RETURN, "/")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + TRIP_S + 2)
    with pytest.raises(ProviderError, match="too late"):
        made.finish(RETURN, liar.authorize(address), kept, now_ms())


@pytest.mark.parametrize(
    ("settings", "claims", "roles", "areas"),
    [
        ({}, {"groups": ["desk"], "street": "5001"}, {"coordinator"}, (HOME,)),
        ({}, {"groups": "it desk", "street": ["all", "5001", "7"]}, {"engineer", "coordinator"}, ("*", HOME)),
        ({}, {"groups": ["coordinator"], "street": "*"}, set(), ()),
        ({"areas": {}}, {"groups": ["desk"], "street": ["a.b", "*"]}, {"coordinator"}, ("a.b",)),
        ({"default_areas": ("a",)}, {"groups": ["desk"]}, {"coordinator"}, ("a",)),
        ({"roles": {"desk": "king"}}, {"groups": ["desk"], "street": "5001"}, set(), (HOME,)),
        ({}, {"groups": {"desk": 1}, "street": 5001}, set(), ()),
        ({}, {"groups": None}, set(), ()),
    ],
)
def test_claims_mean_what_the_settings_say(
    settings: dict[str, Any], claims: dict[str, Any], roles: set[str], areas: tuple[str, ...]
) -> None:
    """What is not in them gives nothing; everything is never asked for by a claim."""
    identity = identity_of({"sub": "s", **claims}, replace(SETTINGS, **settings))
    assert (identity.roles, identity.areas) == (roles, areas)
