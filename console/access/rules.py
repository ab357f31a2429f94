"""The one place of permission: what each role may, and what each route declares about itself. Pure.

A route says by :func:`allow` who may come (a permission) and where what it shows lies (an area). The gate
(:mod:`console.access.gate`) keeps to it before the route runs; a route that says nothing is never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from alerts.models import incident
from console.access.errors import MissingRuleError
from registry.models import area, device, person, responder

#: In the place of an area: everything there is.
EVERYWHERE = "*"


class Role(StrEnum):
    """What somebody is here for. A user may have several."""

    RESPONDER = "responder"
    COORDINATOR = "coordinator"
    CLINICIAN = "clinician"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What a route needs."""

    INCIDENTS_READ = "incidents.read"
    INCIDENTS_ACT = "incidents.act"
    #: Acting in the name of another responder: the desk, not the phone.
    INCIDENTS_ACT_FOR = "incidents.act_for"
    PEOPLE_READ = "people.read"
    #: Vital signs, scores and routine over time.
    PEOPLE_HEALTH = "people.health"
    PEOPLE_THRESHOLDS = "people.thresholds"
    COVERAGE_READ = "coverage.read"
    ROSTERS_READ = "rosters.read"
    #: One's own turns.
    ROSTERS_SWAP = "rosters.swap"
    ROSTERS_WRITE = "rosters.write"
    DEVICES_READ = "devices.read"
    #: Have a device make itself found.
    DEVICES_CALL = "devices.call"
    QUARANTINE = "quarantine"
    REPORTS_READ = "reports.read"
    REGISTRY_READ = "registry.read"
    REGISTRY_WRITE = "registry.write"
    #: Policies and silences.
    POLICIES_WRITE = "policies.write"
    USERS_WRITE = "users.write"
    AUDIT_READ = "audit.read"
    FHIR_READ = "fhir.read"
    #: FHIR with names and addresses instead of pseudonyms.
    FHIR_NAMES = "fhir.names"
    METRICS_READ = "metrics.read"


_P = Permission
#: What each role may. An administrator may everything, and therefore needs a second factor.
MAY: Mapping[Role, frozenset[Permission]] = {
    Role.RESPONDER: frozenset(
        {_P.INCIDENTS_READ, _P.INCIDENTS_ACT, _P.PEOPLE_READ, _P.COVERAGE_READ, _P.ROSTERS_READ, _P.ROSTERS_SWAP}
    ),
    Role.COORDINATOR: frozenset(
        {
            _P.INCIDENTS_READ, _P.INCIDENTS_ACT, _P.INCIDENTS_ACT_FOR, _P.PEOPLE_READ, _P.COVERAGE_READ,
            _P.ROSTERS_READ, _P.ROSTERS_SWAP, _P.ROSTERS_WRITE, _P.DEVICES_READ, _P.DEVICES_CALL, _P.REPORTS_READ,
            _P.REGISTRY_READ, _P.REGISTRY_WRITE, _P.POLICIES_WRITE,
        }
    ),
    Role.CLINICIAN: frozenset(
        {
            _P.INCIDENTS_READ, _P.PEOPLE_READ, _P.PEOPLE_HEALTH, _P.PEOPLE_THRESHOLDS, _P.REPORTS_READ, _P.FHIR_READ,
            _P.FHIR_NAMES,
        }
    ),
    Role.ENGINEER: frozenset({_P.DEVICES_READ, _P.DEVICES_CALL, _P.QUARANTINE, _P.METRICS_READ, _P.FHIR_READ}),
    Role.ADMINISTRATOR: frozenset(Permission),
}  # fmt: skip


class Scope(StrEnum):
    """What an API token may be used for, of what its user may."""

    READ_INCIDENTS = "read:incidents"
    ACT_INCIDENTS = "act:incidents"
    READ_PEOPLE = "read:people"
    READ_FHIR = "read:fhir"
    READ_DEVICES = "read:devices"
    READ_REPORTS = "read:reports"
    READ_METRICS = "read:metrics"
    ADMIN = "admin"


_OF_SCOPE: Mapping[Scope, frozenset[Permission]] = {
    Scope.READ_INCIDENTS: frozenset({_P.INCIDENTS_READ, _P.COVERAGE_READ, _P.ROSTERS_READ}),
    Scope.ACT_INCIDENTS: frozenset({_P.INCIDENTS_READ, _P.INCIDENTS_ACT, _P.INCIDENTS_ACT_FOR}),
    Scope.READ_PEOPLE: frozenset({_P.PEOPLE_READ, _P.PEOPLE_HEALTH}),
    Scope.READ_FHIR: frozenset({_P.FHIR_READ, _P.FHIR_NAMES}),
    Scope.READ_DEVICES: frozenset({_P.DEVICES_READ}),
    Scope.READ_REPORTS: frozenset({_P.REPORTS_READ}),
    Scope.READ_METRICS: frozenset({_P.METRICS_READ}),
    Scope.ADMIN: frozenset(Permission),
}


def permissions_of(roles: frozenset[Role], scopes: frozenset[Scope] | None = None) -> frozenset[Permission]:
    """What somebody with ``roles`` may; with a token of ``scopes`` only what both give."""
    by_role = frozenset[Permission]().union(*(MAY[role] for role in roles))
    if scopes is None:
        return by_role
    return by_role & frozenset[Permission]().union(*(_OF_SCOPE[scope] for scope in scopes))


#: Finds the area of what a request is about from its path; None when there is no such thing.
FindArea = Callable[[Connection, Mapping[str, Any]], str | None]


class Access(StrEnum):
    """Who may come to a route at all."""

    OPEN = "open"  # anybody: login, links, health
    HALF = "half"  # whoever has given a password, also before the second factor
    OWN = "own"  # every user, about themselves
    PERMITTED = "permitted"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may come to a route.

    Attributes:
        access: whether there must be a user.
        permission: what the user must be allowed; only with ``PERMITTED``.
        area: finds the area that the user must see, else the answer is 404; None where the route itself keeps to the
            user's areas (lists, by :meth:`Viewer.area_filter`).
        everywhere: the user must be for all areas.
    """

    access: Access
    permission: Permission | None = None
    area: FindArea | None = None
    everywhere: bool = False


OPEN = Rule(Access.OPEN)
HALF = Rule(Access.HALF)
OWN = Rule(Access.OWN)


def listed(permission: Permission) -> Rule:
    """The route shows what lies in the user's areas, and sees to it itself."""
    return Rule(Access.PERMITTED, permission)


def placed(permission: Permission, area: FindArea) -> Rule:
    """The route is about one thing, which must lie in the user's areas."""
    return Rule(Access.PERMITTED, permission, area=area)


def whole(permission: Permission) -> Rule:
    """The route is about everything: only for users of all areas."""
    return Rule(Access.PERMITTED, permission, everywhere=True)


_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_RULE = "access_rule"


def allow(rule: Rule) -> Callable[[_Endpoint], _Endpoint]:
    """Decorates a route's function with who may come to it."""

    def declare(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _RULE, rule)
        return endpoint

    return declare


def rule_of(endpoint: Callable[..., Any] | None) -> Rule:
    """What a route's function declares. Raises MissingRuleError where it declares nothing."""
    rule = getattr(endpoint, _RULE, None)
    if not isinstance(rule, Rule):
        raise MissingRuleError(getattr(endpoint, "__qualname__", repr(endpoint)))
    return rule


def of_incident(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the incident ``{incident_id}`` is."""
    return connection.execute(select(incident.c.area).where(incident.c.id == _key(path, "incident_id"))).scalar()


def of_person(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the person ``{person_key}`` lives."""
    return connection.execute(select(person.c.area).where(person.c.key == _key(path, "person_key"))).scalar()


def of_responder(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """To which area the responder ``{responder_id}`` belongs."""
    return connection.execute(select(responder.c.area).where(responder.c.id == _key(path, "responder_id"))).scalar()


def of_device(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the device ``{device_id}`` is: with its person, else in its area, else at the top of the tree."""
    query = select(device.c.area, person.c.area).outerjoin(person, person.c.key == device.c.person)
    row = connection.execute(query.where(device.c.id == _key(path, "device_id"))).first()
    if row is None:
        return None
    return row[0] or row[1] or EVERYWHERE


def of_area(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """The area ``{area}`` itself."""
    return connection.execute(select(area.c.path).where(area.c.path == _key(path, "area"))).scalar()


def _key(path: Mapping[str, Any], name: str) -> str:
    """An id of the path; "", which nothing is called, for one that no database bears."""
    value = str(path[name])
    return value if value.isprintable() and len(value) <= 255 else ""
