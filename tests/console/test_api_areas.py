"""Somebody of one street, and everything of the other street: by every route there is, found in the application itself.

A new route is tried without anybody thinking of it. It fails here while nobody has said how its address is filled, when
nothing of the district appears in it at all, and of course when it tells or changes anything of the other street.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel
from starlette.routing import Mount

import registry
from console.access import sessions, users
from console.access.rules import Access, Role, Rule, rule_of
from console.access.secret import form_token
from console.access.sessions import Lifetimes
from console.administration.rows import BETWEEN
from console.app import create_app
from console.settings import ConsoleSettings
from journal.quarantine import list_entries
from tests.console.asking import Answer, ask
from tests.console.district import LINK_KEY
from tests.console.planting import DISTRICT, Street, plant, rows_with
from tests.console.users import add_user

NOW_MS = 1_772_424_000_000
NEAR, FAR, NOWHERE = "zqnear", "zqfar", "zqnil"
EVERY_ROLE = tuple(Role)  # as many routes as possible; only the areas stand between
#: Routes about everybody of the user's areas that show none of the planted texts, and why.
SILENT = {
    "/events": "a stream of revisions",
    "/api/v1/coverage": "the paths of areas only, asked apart",
    "/administration/import": "a form",
    "/replies": "counts",
    "/metrics": "counts",
}
_SINGULAR = {
    "people": "person", "responders": "responder", "contacts": "contact", "devices": "device", "policies": "policy",
    "silences": "silence",
}  # fmt: skip
#: Rows that an attempt may well add.
_NOTED = frozenset({"console_audit", "console_session", "console_repeat", "console_attempt"})


@dataclass(frozen=True)
class Route:
    """One method of one route."""

    method: str
    path: str
    rule: Rule
    context: RouteContext

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> list[str]:
        """What its address holds."""
        return list(self.context.param_convertors)

    @property
    def lists(self) -> bool:
        """Whether it sees to the areas itself."""
        return self.rule.access is Access.PERMITTED and self.rule.area is None


class District:
    """The console over the two streets, and who looks."""

    def __init__(self, folder: Path) -> None:
        self.engine, (self.near, self.far) = plant(folder, NOW_MS, NEAR, FAR)
        self.quarantine = folder / "quarantine"
        (folder / "journals").mkdir()
        settings = ConsoleSettings(
            link_key=LINK_KEY, store_url=f"sqlite:///{folder}/points.db", heartbeat_s=0.1,
            quarantine_dir=self.quarantine, journal_dir=folder / "journals",
        )  # fmt: skip
        self.app = create_app(self.engine, settings, now_ms=lambda: NOW_MS)
        responder = self.near.id("responder")
        add_user(self.engine, "near", *EVERY_ROLE, areas=(self.near.area,), responder=responder)
        add_user(self.engine, "above", *EVERY_ROLE, areas=(DISTRICT,))

    def routes(self) -> list[Route]:
        """Every method of every route; a route without a rule is not let through here either."""
        found = []
        for context in iter_route_contexts(self.app.routes):
            if context.endpoint is None:
                assert context.path == "/static", f"{context.path} is mounted: nobody asks for its rules"
                continue
            rule = rule_of(context.endpoint)
            found += [Route(m, str(context.path), rule, context) for m in sorted((context.methods or set()) - {"HEAD"})]
        return found

    def log_in(self, name: str) -> dict[str, str]:
        """The headers of a new session."""
        with registry.writing(self.engine) as connection:
            secret = sessions.start(
                connection, users.find_user(connection, name), stage="full", remember=False, now_ms=NOW_MS,
                address="127.0.0.1", agent="test", lifetimes=Lifetimes(),
            )  # fmt: skip
        return {"cookie": f"session={secret}", "x-csrf-token": form_token(secret), "accept-language": "en"}

    def fill(self, name: str, street: Street, path: str = "") -> str:
        """What stands for ``{name}`` in the address ``path``, of a street."""
        known = {
            "area": street.area, "patient_id": street.id("person"), "fhir_device_id": street.id("device"),
            "plan_id": street.id("visit"), "override_id": street.id("roster_override"),
            "observation_id": f"hr.{NOW_MS - 60_000:x}.{street.id('person')}",
            "action": "acknowledge", "name": "responders",
            "session_id": street.id("console_session"), "token_id": str(street.id("console_token")),
            "user_id": str(street.id("console_user")),
            "what": "disable", "secret": "nothing", "token": "nothing", "code": "nothing",
        }  # fmt: skip
        if name in known:
            return str(known[name])
        if name == "row":  # of the table that stands before it
            table = _SINGULAR[path.partition("/{row}")[0].rpartition("/")[2]]
            both = f"{street.id('person')}{BETWEEN}{street.id('responder')}"
            return both if table == "contact" else str(street.id(table))
        if name == "entry_id":
            return next(e.id for e in list_entries(self.quarantine) if e.device == street.id("device"))
        for ending in ("_id", "_key"):
            table = name.removesuffix(ending)
            if name.endswith(ending) and table in street.rows:
                return str(street.id(table))
        raise AssertionError(f"no way to fill {{{name}}} of an address: say in District.fill what it is")

    def address(self, route: Route, street: Street) -> str:
        """The address of a route with things of a street."""
        return route.path.format(**{name: quote(self.fill(name, street, route.path), safe="") for name in route.names})

    def words(self, name: str, street: Street) -> str:
        """What a field of this name holds when it is about a street; any other field has its word, in capitals, so
        that an echo is told from an answer."""
        known = {
            "area": street.area, "person": "person", "patient": "person", "device": "device", "responder": "responder",
            "as": "responder", "actor": "responder", "to": "responder", "one": "responder", "instead_of": "responder",
            "roster": "roster", "about": "incident", "_id": "person", "responders": "responder", "who": "responder",
        }  # fmt: skip
        if name == "id":
            return self.fill("entry_id", street)
        value = known.get(name)
        return street.word.upper() if value is None else str(street.id(value)) if value in street.rows else value

    def queries(self, route: Route, street: Street) -> dict[str, str]:
        """The parameters of a list that name a thing, with those of a street."""
        names = {one.alias for one in route.context.dependant.query_params} - {"_id", "to"}
        found = {name: self.words(name, street) for name in names}
        return {name: value for name, value in found.items() if value != street.word.upper()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """The district; reading changes nothing in it that matters."""
    district = District(tmp_path_factory.mktemp("streets"))
    yield district
    district.engine.dispose()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[District]:
    """A district to be changed."""
    district = District(tmp_path)
    yield district
    district.engine.dispose()


def told(answer: Answer, *given: str) -> str:
    """An answer without the very words that were asked for."""
    text = answer.text
    for word in sorted(given, key=len, reverse=True):
        for form in (word, quote(word, safe=""), quote(word)):
            text = text.replace(form, "")
    return text


def test_every_route_has_a_rule_and_every_address_can_be_filled(planted: District) -> None:
    """Else it could not be tried."""
    routes = planted.routes()
    assert len(routes) > 80
    for route in routes:
        for street in (planted.near, planted.far):
            assert "{" not in planted.address(route, street)
    assert [one.path for one in planted.app.routes if isinstance(one, Mount)] == ["/static"]


def test_no_answer_tells_anything_of_the_other_street(planted: District) -> None:
    """By every GET there is: bare, about things of the other street, and with every parameter set to something of it.
    Somebody of the district gets both streets by the same requests: they would show it."""
    assert what_tells(planted, planted.routes()) == []


def what_tells(planted: District, routes: Sequence[Route]) -> list[str]:
    """What is wrong with the answers to GET."""
    wrong: list[str] = []

    def must(good: bool, route: Route, what: str, answer: Answer) -> None:
        if not good:
            wrong.append(f"{route} {what}: {answer.status}")

    def silent(route: Route, answer: Answer, *given: str) -> None:
        text = told(answer, *given)
        if (at := text.find(FAR)) >= 0:
            wrong.append(f"{route} tells of the other street: {answer.status} ...{text[max(0, at - 80) : at + 80]!r}")

    async def look() -> None:
        near, above = planted.log_in("near"), planted.log_in("above")
        for route in routes:
            if route.method != "GET":
                continue
            at_home, there = planted.address(route, planted.near), planted.address(route, planted.far)
            mine = await ask(planted.app, "GET", at_home, headers=near)
            must(mine.status < 500, route, "fails", mine)
            silent(route, mine)
            if route.rule.area is not None:
                must(mine.status == 200, route, "does not find what planting.py has planted", mine)
                theirs = await ask(planted.app, "GET", there, headers=near)
                must(theirs.status == 404, route, "finds what lies in the other street", theirs)
                values = [planted.fill(name, planted.far, route.path) for name in route.names]
                silent(route, theirs, *values)
                known = await ask(planted.app, "GET", there, headers=above)
                must(known.status == 200, route, "does not find it for the district either", known)
            elif route.lists and not route.rule.everywhere and route.path not in SILENT:
                full = {one.word: urlencode(planted.queries(route, one)) for one in (planted.near, planted.far)}
                mine = await ask(planted.app, "GET", at_home, query=full[NEAR], headers=near)
                must(NEAR in mine.text, route, "shows nothing of the own street: see planting.py, or SILENT", mine)
                silent(route, mine)
                every = await ask(planted.app, "GET", there, query=full[FAR], headers=above)
                must(FAR in every.text, route, "shows nothing of it to the district either", every)
                theirs = await ask(planted.app, "GET", there, query=full[FAR], headers=near)
                values = planted.queries(route, planted.far).values()
                silent(route, theirs, *values)
            elif route.rule.everywhere:
                must(mine.status == 403, route, "is for users of all areas", mine)
            for parameter in route.context.dependant.query_params:
                value = planted.words(parameter.alias, planted.far)
                query = urlencode({parameter.alias: value})
                answer = await ask(planted.app, "GET", at_home, query=query, headers=near)
                must(answer.status < 500, route, f"fails with ?{query}", answer)
                silent(route, answer, value)
                if FAR in value:  # a thing: it is as if there were none
                    none = urlencode({parameter.alias: value.replace(FAR, NOWHERE)})
                    nothing = await ask(planted.app, "GET", at_home, query=none, headers=near)
                    same = answer.body.replace(FAR.encode(), NOWHERE.encode()) == nothing.body
                    must(same, route, f"answers otherwise to ?{query} than to ?{none}", answer)

    asyncio.run(look())
    return wrong


def test_nothing_that_is_sent_changes_anything_of_the_other_street(own: District) -> None:
    """By every route that changes something: about things of the other street, and about the own with every field
    naming something of the other. Its rows are the same afterwards, and no row elsewhere begins to name it."""

    wrong: list[str] = []

    async def send() -> None:
        for route in own.routes():
            if route.method == "GET" or route.rule.access is Access.OPEN:
                continue
            before = rows_with(own.engine, FAR)
            possible = False
            for street in (own.far, own.near):
                written = await form_of(route, own)
                for kind, body, values in bodies(route, own, written):
                    headers = {**own.log_in("near"), "content-type": kind, "accept": "text/html"}
                    path = own.address(route, street)
                    answer = await ask(own.app, route.method, path, headers=headers, body=body)
                    said = f"{route} at {path} with {body!r}: {answer.status}"
                    if answer.status >= 500:
                        wrong.append(f"{said}, fails")
                    if route.rule.area is not None and street is own.far and answer.status != 404:
                        wrong.append(f"{said}, acts on what lies elsewhere")
                    possible = possible or (street is own.near and answer.status not in (403, 404))
                    if FAR in (rest := told(answer, *values, *(own.fill(n, street, route.path) for n in route.names))):
                        wrong.append(f"{said}, tells of the other street {rest[rest.find(FAR) - 60 :][:120]}")
            if route.rule.area is not None and not possible:
                wrong.append(f"{route} cannot be tried on the own street")
            after = rows_with(own.engine, FAR)
            for table, rows in before.items():
                if gone := set(rows) - set(after[table]):
                    wrong.append(f"{route} changes {table} of the other street: {gone}")
                if (new := set(after[table]) - set(rows)) and table not in _NOTED:
                    wrong.append(f"{route} makes {table} name the other street: {new}")

    asyncio.run(send())
    assert not wrong, "\n".join(wrong)


async def form_of(route: Route, district: District) -> dict[str, str]:
    """The form that stands on the page of the same address, as it would be sent from the own street."""
    fields: dict[str, str] = {}
    if any(one.path == route.path and one.method == "GET" for one in district.routes()):
        page = next(one for one in district.routes() if one.path == route.path and one.method == "GET")
        query = urlencode(district.queries(page, district.near))
        path = district.address(page, district.near)
        answer = await ask(district.app, "GET", path, query=query, headers=district.log_in("near"))
        reader = _Forms()
        reader.feed(answer.body.decode())
        fields = reader.fields
    return fields


class _Forms(HTMLParser):
    """All fields of the forms of a page that post, with what stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._posts = False
        self._of = ""  # the select or text area that is open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._posts = given.get("method", "get").lower() == "post"
        if not self._posts:
            return
        if tag in ("select", "textarea"):
            self._of = given.get("name", "")
            self.fields.setdefault(self._of, "")
        elif tag == "option" and ("selected" in given or not self.fields.get(self._of)):
            self.fields[self._of] = given.get("value", "")
        elif tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._of = "" if tag in ("select", "textarea") else self._of
        self._posts = self._posts and tag != "form"

    def handle_data(self, data: str) -> None:
        if self._of and not self.fields[self._of]:
            self.fields[self._of] = data.strip()


def bodies(route: Route, district: District, written: dict[str, str]) -> list[tuple[str, bytes, list[str]]]:
    """(type, content, values) of what is sent: nothing; every field that the route takes about the other street; and
    the form of its page, with each field by itself about the other street."""
    fields = {one.alias: one.field_info.annotation for one in route.context.dependant.body_params}
    models = [model for kind in fields.values() for model in _models(kind)]
    if models:
        (model,) = models
        content = {
            (info.alias or name): _json(info.annotation, district.words(info.alias or name, district.far))
            for name, info in model.model_fields.items()
        }  # fmt: skip
        every = [content, *({key: value} for key, value in content.items())]
        if {"area", "person", "device"} <= set(content):  # one of them, with all that is asked for beside
            rest = {key: value for key, value in content.items() if key not in ("area", "person", "device")}
            every += [{**rest, "id": f"s-{key}", key: content[key]} for key in ("area", "person", "device")]
        values = [str(value) for value in content.values()]
        return [
            *(("application/json", json.dumps(one).encode(), values) for one in every),
            ("application/json", b"", []),
        ]
    far = {name: district.words(name, district.far) for name in (fields or written) if name != "csrf"}
    if (table := _SINGULAR.get(route.path.split("/")[2] if route.path.count("/") > 1 else "")) is not None:
        far |= {name: str(district.far.id(table)) for name in ("id", "key") if name in far}  # one that is there already
    known = {name: value for name, value in far.items() if value != district.far.word.upper()}
    sent = [far, *({**written, name: value} for name, value in known.items() if written), {**written, **known}, {}]
    kept = [{name: value for name, value in one.items() if name not in ("", "csrf")} for one in sent]
    once = {urlencode(one).encode(): list(one.values()) for one in kept}
    return [("application/x-www-form-urlencoded", body, values) for body, values in once.items()]


def _models(kind: Any) -> list[type[BaseModel]]:
    """The model of a body, which may be left out."""
    found = [kind, *getattr(kind, "__args__", ())]
    return [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]


def _json(kind: Any, word: str) -> Any:
    """A value that a field takes."""
    said = str(kind)
    if "Literal" in said:
        return kind.__args__[0]
    if "list" in said:
        return []
    if "bool" in said:
        return True
    if "float" in said:
        return 1.0
    return NOW_MS + 3_600_000 if "int" in said else word


def test_what_is_said_of_areas_is_said_of_the_own_ones_only(planted: District) -> None:
    """Where a list has paths and no texts."""

    async def look() -> None:
        near, above = planted.log_in("near"), planted.log_in("above")
        mine = await ask(planted.app, "GET", "/api/v1/coverage", headers=near)
        assert [one["area"] for one in json.loads(mine.body)["areas"]] == [planted.near.area]
        all_of_it = await ask(planted.app, "GET", "/api/v1/coverage", headers=above)
        assert {one["area"] for one in json.loads(all_of_it.body)["areas"]} == {DISTRICT, f"city.{NEAR}", f"city.{FAR}"}

    asyncio.run(look())


def test_a_route_that_forgets_the_areas_is_found(own: District) -> None:
    """The tests above can fail: a list of everybody, and a page of one with the rule of a list."""
    from fastapi.responses import PlainTextResponse
    from sqlalchemy import select

    from console.access.rules import Permission, allow, listed
    from registry.models import person

    @own.app.get("/careless")
    @allow(listed(Permission.PEOPLE_READ))
    def careless() -> PlainTextResponse:
        with own.engine.connect() as connection:
            return PlainTextResponse(" ".join(connection.execute(select(person.c.name)).scalars()))

    wrong = what_tells(own, [route for route in own.routes() if route.path == "/careless"])
    assert any("tells of the other street" in one for one in wrong)

    @own.app.get("/odd/{gadget_number}")
    @allow(listed(Permission.PEOPLE_READ))
    def odd(gadget_number: str) -> PlainTextResponse:
        return PlainTextResponse(gadget_number)

    with pytest.raises(AssertionError, match="gadget_number"):
        test_every_route_has_a_rule_and_every_address_can_be_filled(own)
