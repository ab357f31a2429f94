"""Errors as programs read them: ``application/problem+json`` (RFC 9457), with what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.access.gate import Refused
from console.errors import ConsoleError

PREFIX = "/api/v1"
MEDIA_TYPE = "application/problem+json"
_MOST_MISTAKES = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and what to do unless something better is known."""

    status: int
    title: str
    detail: str


_BAD = "The request is not understood"
KINDS: Mapping[str, Kind] = {
    "invalid": Kind(422, _BAD, "Mend what `errors` names; /api/v1/openapi.json has each field."),
    "bad-request": Kind(400, _BAD, "See /api/v1/openapi.json for what is taken."),
    "login": Kind(
        401, "Nobody is logged in", "Send `Authorization: Bearer cc_...` with a token that holds: see the account page."
    ),
    "not-allowed": Kind(
        403, "Not allowed", "Use a token whose scopes, and a user whose roles, give this: docs/console-access.md."
    ),
    "form": Kind(
        403, "The form token is missing", "With a session send its token as X-CSRF-Token, or use an API token."
    ),
    "elsewhere": Kind(
        403,
        "Not from here",
        "Call the console by a name of its own (console.host_names), not from another site's page.",
    ),
    "not-found": Kind(
        404, "There is no such thing", "Check the id: what lies outside of the user's areas is not there either."
    ),
    "method": Kind(405, "Not with this method", "The header Allow says which ones are taken."),
    "conflict": Kind(409, "It stands differently", "Read it again, then decide."),
    "too-large": Kind(413, "The request is too large", "Send at most 64 KiB with a Content-Length."),
    "unavailable": Kind(
        503, "Something behind the console does not answer", "Ask again after the seconds of Retry-After."
    ),
    "internal": Kind(500, "A defect of the console", "Ask again later; the log of the console has the cause."),
}
_BY_STATUS = {
    400: "bad-request", 401: "login", 403: "not-allowed", 404: "not-found", 405: "method", 409: "conflict",
    413: "too-large", 422: "invalid", 503: "unavailable",
}  # fmt: skip
_RETRY_S = 5


class Problem(ConsoleError):  # noqa: N818 - the word of RFC 9457
    """An answer that is an error.

    Attributes:
        kind: a key of :data:`KINDS`.
        detail: what is wrong with this request, and what to do; "" for that of the kind.
        more: further members of the answer.
    """

    def __init__(self, kind: str, detail: str = "", **more: Any) -> None:
        super().__init__(detail or KINDS[kind].detail)
        self.kind = kind
        self.status = KINDS[kind].status
        self.more = more


def problem_of(error: Exception) -> Problem:
    """What an error of any kind is to a program."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        return Problem({"login": "login", "form": "form"}.get(error.fault, "not-allowed"))
    if isinstance(error, RequestValidationError):
        return Problem("invalid", errors=_mistakes(error))
    if isinstance(error, HTTPException):
        if error.status_code == 303:  # a second step of the login is missing
            return Problem("login")
        kind = _BY_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
        detail = error.detail if error.status_code in (400, 409, 422) else ""
        return Problem(kind, detail if detail not in ("Bad Request", "Conflict") else "")
    if isinstance(error, DBAPIError):
        return Problem("unavailable", "The database does not answer. Ask again after the seconds of Retry-After.")
    return Problem("internal")


def answer(error: Exception) -> Response:
    """The answer to an error."""
    problem = problem_of(error)
    headers = dict(getattr(error, "headers", None) or {})
    headers = {name: value for name, value in headers.items() if name.lower() != "location"}
    if problem.status == 503:
        headers["retry-after"] = str(_RETRY_S)
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="carecircle"'
    return Response(json.dumps(body_of(problem), ensure_ascii=False), problem.status, headers, MEDIA_TYPE)


def body_of(problem: Problem) -> dict[str, Any]:
    """The members of the answer. ``type`` leads to where the kind is explained."""
    kind = KINDS[problem.kind]
    return {
        "type": f"/api#{problem.kind}", "title": kind.title, "status": kind.status, "detail": str(problem),
        **problem.more,
    }  # fmt: skip


def by_status(status: int) -> Problem:
    """What is known of an answer when nothing but its status is."""
    return Problem("elsewhere" if status == 403 else _BY_STATUS.get(status, "bad-request"))


def _mistakes(error: RequestValidationError) -> list[dict[str, str]]:
    """Where each mistake is and what it is, without what was sent."""
    found = []
    for one in error.errors()[:_MOST_MISTAKES]:
        place = ".".join(str(part) for part in one.get("loc", ()))
        found.append({"field": place[:200], "reason": str(one.get("msg", ""))[:300]})
    return found
