"""Who may see what: every route of the console declares it, and the gate keeps to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from sqlalchemy import Column, Engine, MetaData, String, Table, create_engine, select

import registry
from alerts.lifecycle import State
from alerts.queries import incident_detail
from console.access.errors import MissingRuleError
from console.access.rules import MAY, OPEN, Access, Permission, Role, Rule, Scope, permissions_of, rule_of
from console.access.viewer import Viewer, this_machine
from console.app import create_app
from console.settings import ConsoleSettings
from registry.models import area as registry_area
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, WANG, ZHANG, fall, incident_of, take
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
ELSEWHERE = "chongqing.yubei.longxi.other"


@pytest.fixture
def app(engine: Engine, clock: Clock) -> FastAPI:
    """The console as a district runs it, with a fall in Shimahe."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=clock)


def routes(app: FastAPI) -> Iterator[RouteContext]:
    """Every route with a function, whatever router it came by."""
    return (route for route in iter_route_contexts(app.routes) if route.endpoint is not None)


def viewer(*areas: str, role: Role = Role.COORDINATOR) -> Viewer:
    """Somebody of these areas."""
    roles = frozenset({role})
    return Viewer(user=1, name="x", full_name="X", roles=roles, areas=areas, permissions=permissions_of(roles))


def test_every_route_says_who_may_come(app: FastAPI) -> None:
    """A new route without a rule is found here, and never answers."""
    found = list(routes(app))
    assert len(found) > 25
    for route in found:
        assert isinstance(rule_of(route.endpoint), Rule), route.path


def test_what_is_open_is_known_one_by_one(app: FastAPI) -> None:
    """Nothing becomes open by accident: who opens a route writes it down here too."""
    opened = {route.path for route in routes(app) if rule_of(route.endpoint) is OPEN}
    assert opened == {
        "/healthz", "/login", "/login/provider", "/login/provider/return", "/welcome/{secret}", "/ack/{token}",
        "/ack/{token}/{action}", "/a/{code}", "/replies/standard", "/replies/twilio",
        "/feeds/{secret}.ics", "/api", "/api/v1/openapi.json", "/fhir/metadata", "/readyz",
    }  # fmt: skip


def test_a_route_with_a_thing_in_its_address_is_bound_to_the_areas(app: FastAPI) -> None:
    """Whoever puts an id into an address says where that thing lies."""
    own = {"session_id", "token_id"}  # of oneself
    bound = set()
    for route in routes(app):
        rule = rule_of(route.endpoint)
        names = set(getattr(route, "param_convertors", {})) - own
        if rule.access is Access.PERMITTED and names:
            assert rule.area is not None or rule.everywhere, route.path
            bound.add(route.path)
    assert "/incidents/{incident_id}" in bound


def test_a_route_without_a_rule_does_not_run(app: FastAPI, engine: Engine) -> None:
    """Also for an administrator."""
    ran: list[int] = []

    @app.get("/forgotten")
    def forgotten() -> None:
        ran.append(1)

    with pytest.raises(MissingRuleError, match="forgotten"):
        rule_of(forgotten)
    add_user(engine, "anna", Role.ADMINISTRATOR)
    with browser_of(app, engine, "anna", NOON_MS) as browser:
        assert browser.get("/forgotten").status_code == 500
    assert ran == []


def test_nobody_sees_anything_without_a_login(app: FastAPI, engine: Engine) -> None:
    """A person is led to the login and back, a program is told; by every route and method there is."""
    fill = {"incident_id": incident_of(engine, "d-0001"), "action": "acknowledge"}
    asked = 0
    with browser_of(app, engine) as browser:
        for route in routes(app):
            if rule_of(route.endpoint) is OPEN:
                continue
            path = str(route.path).format_map(_Anything(fill))
            for method in (route.methods or set()) - {"HEAD"}:
                asked += 1
                person = browser.request(method, path, headers={"accept": "text/html"})
                assert person.status_code in (303, 401), (method, path)
                assert person.headers.get("location", "/login").startswith("/login")
                program = browser.request(method, path, headers={"sec-fetch-mode": "cors"})
                assert program.status_code == 401, (method, path)
                assert "Li Guizhen" not in person.text + program.text
        back = browser.get("/incidents/x?said=already").headers["location"]
        assert back == "/login?next=%2Fincidents%2Fx%3Fsaid%3Dalready"
    assert asked > 15


class _Anything(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return "1"


def test_somebody_of_another_area_finds_nothing(app: FastAPI, engine: Engine) -> None:
    """What lies elsewhere is not there: the same 404 as for what does not exist, and not in any list."""
    incident = incident_of(engine, "d-0001")
    add_user(engine, "near", Role.COORDINATOR, areas=(HOME,))
    add_user(engine, "above", Role.COORDINATOR, areas=("chongqing.yubei",))
    with_sibling = HOME + "x"
    with registry.writing(engine) as connection:
        connection.execute(registry_area.insert(), [{"path": path, "name": path} for path in (ELSEWHERE, with_sibling)])
    add_user(engine, "far", Role.COORDINATOR, areas=(ELSEWHERE, with_sibling))
    paths = [f"/incidents/{incident}", f"/incidents/{incident}/motion.svg"]
    for name, status in (("near", 200), ("above", 200), ("far", 404)):
        with browser_of(app, engine, name, NOON_MS) as browser:
            assert [browser.get(path).status_code for path in paths] == [status, status], name
            lists = browser.get("/").text + browser.get("/api/incidents").text
            assert ("Li Guizhen" in lists) is (status == 200), name
    with browser_of(app, engine, "far", NOON_MS) as browser:
        there, nowhere = browser.get(f"/incidents/{incident}"), browser.get("/incidents/i-nothing")
        assert there.text.replace(incident, "") == nowhere.text.replace("i-nothing", "")
        for action in ("acknowledge", "resolve"):
            assert browser.post(f"/incidents/{incident}/{action}", data={"outcome": "test"}).status_code == 404
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.state is State.NOTIFYING


@pytest.mark.parametrize(
    ("role", "board", "act"),
    [(Role.RESPONDER, 200, 303), (Role.COORDINATOR, 200, 303), (Role.CLINICIAN, 200, 403), (Role.ENGINEER, 403, 403),
     (Role.ADMINISTRATOR, 200, 303)],
)  # fmt: skip
def test_each_role_may_what_it_is_for(app: FastAPI, engine: Engine, role: Role, board: int, act: int) -> None:
    """A page that a role is not for says so."""
    add_user(engine, "anna", role, areas=(HOME,))
    with browser_of(app, engine, "anna", NOON_MS) as browser:
        answer = browser.get("/")
        assert answer.status_code == board
        assert ("may not open" in answer.text) is (board == 403)
        pressed = browser.post(f"/incidents/{incident_of(engine, 'd-0001')}/acknowledge")
        assert pressed.status_code == act


def test_a_responder_acts_in_their_own_name_whatever_the_form_says(app: FastAPI, engine: Engine) -> None:
    """The desk may act for others."""
    add_user(engine, "zhang", Role.RESPONDER, areas=(HOME,), responder=ZHANG)
    incident = incident_of(engine, "d-0001")
    with browser_of(app, engine, "zhang", NOON_MS) as browser:
        assert browser.post(f"/incidents/{incident}/acknowledge", data={"as": WANG}).status_code == 303
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.acknowledged_by == ZHANG


@pytest.mark.parametrize(
    ("areas", "seen"),
    [
        (("a.b",), {"a.b", "a.b.c"}),
        (("a.b.c", "d"), {"a.b.c", "d"}),
        (("*",), {"a", "a.b", "a.b.c", "a.bb", "A.b.c", "a_b", "d", "a%b"}),
        (("a_b", "a%b"), {"a_b", "a%b"}),
        ((), set()),
    ],
)
def test_an_area_is_seen_with_what_lies_below_it_and_nothing_beside(areas: tuple[str, ...], seen: set[str]) -> None:
    """In Python and in SQL alike: letters as they are, no wildcards."""
    every = ["a", "a.b", "a.b.c", "a.bb", "A.b.c", "a_b", "d", "a%b"]
    somebody = viewer(*areas)
    assert {area for area in every if somebody.sees(area)} == seen
    paths = Table("paths", MetaData(), Column("area", String))
    with create_engine("sqlite://").connect() as connection:
        paths.create(connection)
        connection.execute(paths.insert(), [{"area": path} for path in every])
        found = connection.execute(select(paths.c.area).where(somebody.area_filter(paths.c.area))).scalars()
        assert set(found) == seen


def test_what_has_no_area_is_for_those_who_see_everything() -> None:
    """And a permission counts where its holder may look."""
    assert not viewer("a").sees(None)
    assert not viewer("a").sees("*")
    assert this_machine().sees(None)
    assert viewer("a").may(Permission.INCIDENTS_READ, "a.b")
    assert not viewer("a").may(Permission.INCIDENTS_READ, "b")
    assert not viewer("a", role=Role.ENGINEER).may(Permission.INCIDENTS_READ, "a")


def test_a_token_gives_no_more_than_its_user_may() -> None:
    """Scopes take away; they add nothing."""
    engineer = frozenset({Role.ENGINEER})
    assert permissions_of(engineer, frozenset({Scope.ADMIN})) == MAY[Role.ENGINEER]
    assert permissions_of(engineer, frozenset({Scope.READ_INCIDENTS})) == frozenset()
    both = permissions_of(frozenset({Role.ADMINISTRATOR}), frozenset({Scope.READ_PEOPLE}))
    assert both == {Permission.PEOPLE_READ, Permission.PEOPLE_HEALTH}
    assert Permission.USERS_WRITE not in permissions_of(frozenset(Role) - {Role.ADMINISTRATOR})
