"""Who may ask: no foreign host, no foreign form, nothing but links through a proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from alerts.lifecycle import State
from alerts.links import ACK_PATH
from alerts.queries import incident_detail
from console.app import create_app
from console.errors import ConsoleError, NotLoopbackError
from console.server import loopback_address, serve
from console.settings import ConsoleSettings
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import LINK_KEY, ZHANG, fall, incident_of, take, token

PROXY = {"host": "care.example.org", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


@pytest.fixture
def client(engine: Engine, settings: ConsoleSettings, clock: Clock) -> Iterator[TestClient]:
    """Sends what it is told and nothing else."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    app = create_app(engine, settings, now_ms=clock)
    with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def reader(built: Path, settings: ConsoleSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same, for all tests that only look."""
    engine = copy_of(built, tmp_path_factory.mktemp("guard"))
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    app = create_app(engine, settings, now_ms=Clock())
    with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        yield client
    engine.dispose()


def link(engine: Engine) -> str:
    """The link in Zhang's message."""
    return ACK_PATH + token(incident_of(engine, "d-0001"), ZHANG, NOON_MS + 1000)


def state(engine: Engine) -> State:
    """Where the incident stands."""
    detail = incident_detail(engine, incident_of(engine, "d-0001"))
    assert detail is not None
    return detail.incident.state


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200), ("localhost:8080", 200), ("LOCALHOST", 200), ("[::1]:8080", 200),
        ("evil.example:8080", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403),
        ("evil.example/127.0.0.1", 403), ("evil.example@127.0.0.1", 403), ("[", 403), ("", 403),
        ("192.168.0.7:8080", 403),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/incidents", "/healthz", "/nowhere"])
def test_a_foreign_host_is_refused(reader: TestClient, host: str, status: int, path: str) -> None:
    """A site that resolves its own name to 127.0.0.1 reads nothing (DNS rebinding)."""
    answer = reader.get(path, headers={"host": host})
    assert answer.status_code == (404 if (path, status) == ("/nowhere", 200) else status)
    if status == 403:
        assert "Li Guizhen" not in answer.text


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://127.0.0.1:9090"}, False),
        ({"origin": "http://localhost:8080"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({}, False),
    ],
)
def test_a_form_of_another_site_does_nothing(
    client: TestClient, engine: Engine, headers: dict[str, str], taken: bool
) -> None:
    """Only a page of the console itself acknowledges (cross-site request forgery)."""
    answer = client.post(f"/incidents/{incident_of(engine, 'd-0001')}/acknowledge", headers=headers)
    assert answer.status_code == (303 if taken else 403)
    assert state(engine) is (State.ACKNOWLEDGED if taken else State.NOTIFYING)


def test_another_site_cannot_press_a_link_either(client: TestClient, engine: Engine) -> None:
    """It would have to know it, and still."""
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert client.post(link(engine), headers=headers).status_code == 403
    assert state(engine) is State.NOTIFYING


@pytest.mark.parametrize("path", ["/", "/incidents/i1", "/api/incidents", "/events", "/healthz", "/ack", "/a/../"])
@pytest.mark.parametrize(
    "headers",
    [PROXY, {"host": "care.example.org"}, {"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"},
     {"x-real-ip": "203.0.113.9"}],
    ids=["proxy", "host kept", "host rewritten", "forwarded", "real ip"],
)  # fmt: skip
def test_through_a_proxy_there_is_nothing_but_links(reader: TestClient, path: str, headers: dict[str, str]) -> None:
    """Whatever the proxy passes on, and whether or not it rewrites the host."""
    answer = reader.get(path, headers=headers)
    assert answer.status_code == 404
    assert "Li Guizhen" not in answer.text


def test_through_a_proxy_a_link_works(client: TestClient, engine: Engine) -> None:
    """With what its page loads."""
    page = client.get(link(engine), headers=PROXY)
    assert page.status_code == 200
    assert client.get("/static/console.css", headers=PROXY).status_code == 200
    answer = client.post(link(engine), headers={**PROXY, "origin": "https://care.example.org"})
    assert answer.status_code == 200
    assert state(engine) is State.ACKNOWLEDGED


def test_through_a_proxy_that_rewrites_the_host_a_link_works(client: TestClient, engine: Engine) -> None:
    """The form's origin is then the public address, which is not the host that we see."""
    headers = {"x-forwarded-for": "203.0.113.9", "origin": "https://care.example.org"}
    assert client.post(link(engine), headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nowhere", "/api/incidents", "/static/console.js", "/healthz", "/boom"])
def test_every_answer_carries_the_security_headers(
    engine: Engine, settings: ConsoleSettings, clock: Clock, path: str
) -> None:
    """Errors and faults of our own too."""
    app = create_app(engine, settings, now_ms=clock)

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("a defect")

    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    kept = path.startswith("/static/")
    assert ("immutable" if kept else "no-store") in answer.headers["cache-control"]
    if path == "/boom":
        assert answer.status_code == 500
        assert "Alerting goes on without it" in answer.text


def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(client: TestClient, engine: Engine) -> None:
    """The policy forbids it, so that a page which does is broken."""
    for path in ("/", f"/incidents/{incident_of(engine, 'd-0001')}", link(engine)):
        page = client.get(path).text
        assert "://" not in page
        assert " style=" not in page
        assert " on" not in {part[:3] for part in page.split('"')[::2] if "=" in part}
        assert page.count("<script") == page.count('<script src="/static/')


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "care.example.org", "", "localhost.evil.example"])
def test_the_console_listens_on_this_machine_only(engine: Engine, settings: ConsoleSettings, host: str) -> None:
    """And says why, and what to do instead."""
    with pytest.raises(NotLoopbackError, match="without logins") as refused:
        serve(create_app(engine, settings), host, 0, threading.Event())
    assert refused.value.host == host


@pytest.mark.parametrize(
    ("host", "address"), [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")]
)
def test_loopback_has_several_names(host: str, address: str) -> None:
    """All of them bind a numeric address."""
    assert loopback_address(host) == address


@pytest.mark.parametrize(
    "values",
    [{"link_key": "short"}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}, {"language": "fr"},
     {"public_url": "care.example.org"}, {"public_url": "http://["}],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_at_once(values: dict[str, str]) -> None:
    """Not at the first request."""
    with pytest.raises(ConsoleError):
        ConsoleSettings(**{"link_key": LINK_KEY, **values})
