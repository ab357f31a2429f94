"""The API of programs, as a program uses it: a token, its scopes, JSON, problems that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from alerts.queries import incident_detail
from console.access import sessions, users
from console.access.audit import audit
from console.access.rules import Role, Scope
from console.api.describing import describe
from console.api.problems import KINDS, PREFIX
from console.app import create_app
from console.settings import ConsoleSettings
from registry.models import area, silence
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, WANG, ZHANG, fall, incident_of, take
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"


class Program:
    """Calls the API with a token."""

    def __init__(self, client: TestClient, token: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **headers: str) -> Any:
        """The answer to a GET below the API."""
        return self._client.get(PREFIX + path, headers=self._headers | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """The answer to a POST below the API."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(PREFIX + path, json=body, headers=self._headers | named)

    def put(self, path: str, body: Any) -> Any:
        """The answer to a PUT below the API."""
        return self._client.put(PREFIX + path, json=body, headers=self._headers)


@pytest.fixture
def client(engine: Engine, clock: Clock, tmp_path: Path) -> Iterator[TestClient]:
    """The console with a fall in Shimahe; a program sends no header that a browser does."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    settings = ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai", journal_dir=tmp_path)
    app = create_app(engine, settings, now_ms=clock)
    with TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False) as client:
        yield client


def token_of(engine: Engine, name: str, *scopes: Scope) -> str:
    """A new token of a user."""
    with registry.writing(engine) as connection:
        user = users.find_user(connection, name)
        assert user is not None
        return sessions.make_token(connection, user, "test", scopes, days=1, now_ms=NOON_MS)


@pytest.fixture
def desk(client: TestClient, engine: Engine) -> Program:
    """A coordinator of Shimahe with every scope."""
    add_user(engine, "desk", Role.COORDINATOR, Role.CLINICIAN, areas=(HOME,))
    return Program(client, token_of(engine, "desk", *Scope))


@pytest.fixture
def incident(client: TestClient, engine: Engine) -> str:
    """The fall."""
    assert client.base_url
    return incident_of(engine, "d-0001")


def test_an_incident_goes_from_open_to_resolved(desk: Program, incident: str) -> None:
    """By a program, in the name of a responder, with every step in the time line."""
    (listed,) = desk.get("/incidents").json()["incidents"]
    assert (listed["id"], listed["state"], listed["person"]["key"]) == (incident, "notifying", "p-0001")
    for action, state in (("acknowledge", "acknowledged"), ("en_route", "en_route"), ("on_scene", "on_scene")):
        done = desk.post(f"/incidents/{incident}/{action}", {"as": ZHANG}).json()
        assert (done["answer"], done["done"], done["state"], done["by"]) == ("done", True, state, ZHANG)
    again = desk.post(f"/incidents/{incident}/acknowledge", {"as": WANG}).json()
    assert (again["answer"], again["done"], again["by_name"]) == ("already", False, "Zhang Min 张敏")
    closed = desk.post(f"/incidents/{incident}/resolve", {"outcome": "true", "note": "helped up"}).json()
    assert closed["state"] == "resolved"
    assert desk.get("/incidents").json()["incidents"] == []
    assert desk.get(f"/incidents/{incident}").json()["outcome"] == "true"
    steps = [one["what"] for one in desk.get(f"/incidents/{incident}/timeline").json()["entries"]]
    assert [what for what in steps if what in ("acknowledged", "en_route", "on_scene", "resolved")] == [
        "acknowledged", "en_route", "on_scene", "resolved",
    ]  # fmt: skip


def test_a_request_that_is_repeated_under_its_key_is_answered_and_not_done_again(
    desk: Program, incident: str, engine: Engine, clock: Clock
) -> None:
    """Also when somebody else has done something meanwhile; the key belongs to one request."""
    first = desk.post(f"/incidents/{incident}/acknowledge", {"as": ZHANG}, idempotency_key="k-1")
    detail = incident_detail(engine, incident)
    desk.post(f"/incidents/{incident}/en_route", {"as": ZHANG})
    clock.now_ms += 60_000
    second = desk.post(f"/incidents/{incident}/acknowledge", {"as": ZHANG}, idempotency_key="k-1")
    assert second.json() == first.json()
    assert (first.json()["done"], second.headers["idempotency-replayed"]) == (True, "true")
    assert detail is not None
    other = desk.post(f"/incidents/{incident}/cannot_come", {"as": ZHANG}, idempotency_key="k-1")
    assert (other.status_code, "another request" in other.json()["detail"]) == (409, True)
    clock.now_ms += 25 * 3_600_000
    later = desk.post(f"/incidents/{incident}/on_scene", {"as": ZHANG}, idempotency_key="k-1")
    assert later.status_code in (200, 401)  # the token is over after a day, and so is the key


def test_errors_are_problems_that_say_what_to_do(client: TestClient, desk: Program, incident: str) -> None:
    """RFC 9457: media type, type, title, status, detail; what was sent is not repeated."""
    nobody = Program(client, "")
    cases = [
        (nobody.get("/incidents"), 401, "login"),
        (Program(client, "cc_forged").get("/incidents"), 401, "login"),
        (desk.get("/incidents/i-none"), 404, "not-found"),
        (desk.get("/nowhere"), 404, "not-found"),
        (desk.get("/incidents?limit=0"), 422, "invalid"),
        (desk.get("/incidents?cursor=forged"), 400, "bad-request"),
        (desk.post(f"/incidents/{incident}/resolve", {"outcome": "<b>"}), 422, "invalid"),
        (desk.post(f"/incidents/{incident}/resolve", {"outcome": "true", "nota": "x"}), 422, "invalid"),
        (desk.get(f"/incidents/{incident}/acknowledge"), 405, "method"),
        (desk.post(f"/incidents/{incident}/acknowledge", {"as": "r-nobody"}), 422, "invalid"),
        (desk.get("/people/p-0001/vitals"), 503, "unavailable"),
        (client.get(f"{PREFIX}/incidents", headers={"host": "evil.example"}), 403, "elsewhere"),
    ]
    for answer, status, kind in cases:
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
        body = answer.json()
        assert (body["type"], body["status"], body["title"]) == (f"/api#{kind}", status, KINDS[kind].title)
        assert len(body["detail"]) > 20
        assert "<b>" not in answer.text
    (mistake,) = desk.post(f"/incidents/{incident}/resolve", {"outcome": "x"}).json()["errors"]
    assert mistake["field"] == "body.outcome"
    assert nobody.get("/incidents").headers["www-authenticate"].startswith("Bearer")


@pytest.mark.usefixtures("desk")
def test_a_token_gives_what_its_scopes_say(client: TestClient, incident: str, engine: Engine) -> None:
    """And no more."""
    reader = Program(client, token_of(engine, "desk", Scope.READ_INCIDENTS))
    assert reader.get("/incidents").status_code == 200
    assert reader.post(f"/incidents/{incident}/acknowledge").status_code == 403
    assert reader.get("/people").status_code == 403
    people = Program(client, token_of(engine, "desk", Scope.READ_PEOPLE))
    assert people.get("/people").status_code == 200
    assert people.get("/incidents").json()["type"] == "/api#not-allowed"


def test_a_responder_acts_in_their_own_name(client: TestClient, incident: str, engine: Engine) -> None:
    """Naming another is refused, not ignored."""
    add_user(engine, "zhang", Role.RESPONDER, areas=(HOME,), responder=ZHANG)
    zhang = Program(client, token_of(engine, "zhang", Scope.ACT_INCIDENTS))
    assert zhang.post(f"/incidents/{incident}/acknowledge", {"as": WANG}).status_code == 403
    assert zhang.post(f"/incidents/{incident}/acknowledge").json()["by"] == ZHANG
    assert zhang.put(f"/responders/{ZHANG}/presence", {"lat": 29.6, "lon": 106.5}).json()["lat"] == 29.6
    assert zhang.put(f"/responders/{WANG}/presence", {"available": False}).status_code == 403
    assert zhang.put(f"/responders/{ZHANG}/presence", {"lat": 29.6}).status_code == 422
    assert zhang.get(f"/responders/{ZHANG}/presence").json()["available"] is True


def test_long_lists_come_in_pages_without_gap_or_repeat(desk: Program, engine: Engine) -> None:
    """Incidents of the same instant too, and while new ones are opened."""
    take(engine, NOON_MS, *(fall(f"d-000{n}", NOON_MS - 3000) for n in (2, 3, 4, 5)))
    for path, name, key in (
        ("/incidents", "incidents", "id"),
        ("/people", "people", "key"),
        ("/devices", "devices", "id"),
    ):
        whole = [one[key] for one in desk.get(f"{path}?limit=200").json()[name]]
        assert len(whole) == 5
        found, cursor = [], ""
        while True:
            page = desk.get(f"{path}?limit=2&cursor={cursor}").json()
            found += [one[key] for one in page[name]]
            assert len(page[name]) <= 2
            if not (cursor := page["next"]):
                break
        assert found == whole


def test_what_has_not_changed_is_not_sent_again(desk: Program, incident: str) -> None:
    """By its ETag; a change makes a new one."""
    first = desk.get(f"/incidents/{incident}")
    tag = first.headers["etag"]
    again = desk.get(f"/incidents/{incident}", **{"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    desk.post(f"/incidents/{incident}/acknowledge")
    assert desk.get(f"/incidents/{incident}", **{"if-none-match": tag}).status_code == 200


def test_a_silence_begins_and_ends(desk: Program, engine: Engine) -> None:
    """In the own areas, with what is wrong said in words, and both in the audit."""
    hour = {"end_ms": NOON_MS + 3_600_000, "reason": "painters in the house"}
    made = desk.post("/silences", {"id": "s-1", "person": "p-0002", **hour})
    assert (made.status_code, made.json()["begin_ms"], made.json()["end_ms"]) == (200, NOON_MS, hour["end_ms"])
    assert [one["id"] for one in desk.get("/silences").json()["silences"]] == ["s-1"]
    assert desk.post("/silences", {"id": "s-1", "person": "p-0002", **hour}).status_code == 409
    assert desk.post("/silences", {"id": "s-2", **hour}).status_code == 422
    assert desk.post("/silences", {"id": "s-2", "area": "chongqing", **hour}).status_code == 404
    assert "never silent" in desk.post("/silences", {"id": "s-3", "area": HOME, "kinds": ["sos"], **hour}).text
    assert desk.post("/silences/s-1/end").json()["end_ms"] == NOON_MS
    assert desk.get("/silences").json()["silences"] == []
    with engine.connect() as connection:
        assert connection.execute(select(silence.c.id)).scalars().all() == ["s-1"]
        told = select(audit.c.data).where(audit.c.what == "silence").order_by(audit.c.id)
        assert [one["silence"] for one in connection.execute(told).scalars()] == ["begun", "ended"]


def test_who_is_on_call_and_whom_nobody_reaches(desk: Program) -> None:
    """Of the own areas only, and what lies above is not named."""
    (here,) = desk.get("/on-call").json()["areas"]
    assert [one["responder"] for one in here["on_call"]] == [ZHANG, WANG]
    (covered,) = desk.get("/coverage").json()["areas"]
    assert (covered["area"], covered["people"], covered["on_call"]) == (HOME, 5, 2)


def test_every_look_at_a_person_is_in_the_audit(desk: Program, engine: Engine) -> None:
    """With the token that was used."""
    assert desk.get("/people/p-0001").json()["name"].startswith("Li Guizhen")
    with engine.connect() as connection:
        row = connection.execute(select(audit).where(audit.c.kind == "person")).one()
    assert (row.subject, row.who, row.area, row.data["token"] > 0) == ("p-0001", "desk", HOME, True)


def test_a_script_of_the_console_needs_the_token_of_its_form(client: TestClient, incident: str, engine: Engine) -> None:
    """A session alone does not act: another site could send it."""
    add_user(engine, "anna", Role.COORDINATOR, areas=(HOME,))
    app: Any = client.app
    with browser_of(app, engine, "anna", NOON_MS) as browser:
        form = browser.headers.pop("x-csrf-token")
        refused = browser.post(f"{PREFIX}/incidents/{incident}/acknowledge")
        assert (refused.status_code, refused.json()["type"]) == (403, "/api#form")
        done = browser.post(f"{PREFIX}/incidents/{incident}/acknowledge", headers={"x-csrf-token": form})
        assert done.json()["done"] is True


def test_the_description_names_every_operation_with_what_it_needs(client: TestClient) -> None:
    """OpenAPI 3.1, open to everybody, and the same as a page that loads nothing from elsewhere."""
    document = client.get(f"{PREFIX}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) > 20
    assert all(one["x-scopes"] and one["x-permission"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)
    page = client.get("/api").text
    assert "http://" not in page.replace("http://127.0.0.1", "")
    assert all(path in page for path in document["paths"])
    assert describe.__doc__


def test_two_streets_see_their_own(client: TestClient, engine: Engine) -> None:
    """Text from outside is JSON and nothing else."""
    with registry.writing(engine) as connection:
        connection.execute(area.insert().values(path="chongqing.yubei.other", name="<script>"))
    add_user(engine, "other", Role.COORDINATOR, areas=("chongqing.yubei.other",))
    other = Program(client, token_of(engine, "other", *Scope))
    assert other.get("/people").json() == {"people": [], "next": ""}
    assert other.get("/coverage").json()["areas"][0]["name"] == "<script>"
    assert other.get("/coverage").headers["x-content-type-options"] == "nosniff"


def test_the_figures_of_reports_are_there_as_json_and_as_csv(desk: Program, incident: str, clock: Clock) -> None:
    """Of the own areas; a look at them is in the audit."""
    desk.post(f"/incidents/{incident}/acknowledge", {"as": ZHANG})
    clock.now_ms += 1000
    found = desk.get("/reports/figures").json()
    total = found["rows"][0]
    assert (total["by"], total["key"], total["figures"]["cases"], total["figures"]["soon_hits"]) == ("all", HOME, 1, 1)
    table = desk.get("/reports/figures?format=csv&from=2026-03-01&to=2026-03-02")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.lstrip("\ufeff").startswith("by,key,name,cases")
    assert desk.get("/reports/figures?area=chongqing").status_code == 404
    assert desk.get("/reports/figures?from=2026-03-02&to=2026-03-01").status_code == 422
